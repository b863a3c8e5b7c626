import { asFloat32, float32View, type StateDict, type TensorFile, type TensorView } from '@sd/checkpoint';
import { ArgumentError, foldIn, type RandomKey, randomKey } from '@sd/core';
import { checkBytes, nonFiniteNames, refuseNonFinite } from './check-views';
import type { Initializer } from './init';
import type { Layout } from './layout';
import {
  detectLayout,
  type LayoutOptions,
  type LoadOptions,
  type LoadPlan,
  type LoadStep,
  planLoad,
  planSave,
  type TensorShapes,
} from './load-plan';
import { Parameter } from './parameter';
import { CountBuffer, type StateBuffer, TensorBuffer } from './state-buffer';
import { type FoundLayout, ownLayout, type StateDictLayout } from './state-dict-layout';

/**
 * Base of everything that has parameters. A module declares its children and parameters in its constructor, each under
 * the name that it has in the reference's PyTorch state dict, dots included (`'in_layers.0'`), and computes in a
 * method `forward`. There is no train or eval mode: what differs is an argument.
 */
export abstract class Module {
  readonly #children = new Map<string, Module>();
  readonly #parameters = new Map<string, Parameter>();
  readonly #buffers = new Map<string, StateBuffer>();
  #parent: Module | undefined;
  #name = '';
  #loadedLayout: FoundLayout | undefined;

  /** Declares a child under its name in the state dict. @throws {ArgumentError} on a second child of that name. */
  protected child<M extends Module>(name: string, module: M): M {
    if (this.#children.has(name)) throw new ArgumentError('Module.child', 'name', 'a name not yet in use', name);
    this.#children.set(name, module);
    const base: Module = module;
    base.#parent = this;
    base.#name = name;
    return module;
  }

  /**
   * Declares a parameter under its name in the state dict, by its PyTorch shape.
   * @throws {ArgumentError} on a second parameter of that name.
   */
  protected param(
    name: string,
    torchShape: readonly number[],
    initializer: Initializer,
    layout: Layout = 'same',
  ): Parameter {
    if (this.#parameters.has(name)) throw new ArgumentError('Module.param', 'name', 'a name not yet in use', name);
    const parameter = new Parameter(torchShape, layout, initializer, () =>
      foldIn(randomKey(0), joined(this.#path(), name)),
    );
    this.#parameters.set(name, parameter);
    return parameter;
  }

  /**
   * Declares a float32 buffer under its name in the state dict: saved and loaded with the parameters, not trained.
   * @param initial value of every element. @throws {ArgumentError} on a second buffer of that name.
   */
  protected buffer(name: string, torchShape: readonly number[], initial: number): TensorBuffer {
    return this.#declareBuffer(name, new TensorBuffer(torchShape, initial));
  }

  /** Declares a count, an int64 of shape `[]` in the state dict. @throws {ArgumentError} on a second of that name. */
  protected countBuffer(name: string): CountBuffer {
    return this.#declareBuffer(name, new CountBuffer());
  }

  #declareBuffer<B extends StateBuffer>(name: string, buffer: B): B {
    if (this.#buffers.has(name)) throw new ArgumentError('Module.buffer', 'name', 'a name not yet in use', name);
    this.#buffers.set(name, buffer);
    return buffer;
  }

  /**
   * All parameters by dotted name, in the order of declaration, a module's own before its children's. Takes no memory.
   * @throws {ArgumentError} where two have the same dotted name.
   */
  parameters(): Map<string, Parameter> {
    return only(this.#state(), (entry): entry is Parameter => entry instanceof Parameter);
  }

  /**
   * All buffers by dotted name: what a state dict holds beside the parameters. Takes no memory.
   * @throws {ArgumentError} where two entries of the state dict have the same dotted name.
   */
  buffers(): Map<string, StateBuffer> {
    return only(this.#state(), (entry): entry is StateBuffer => !(entry instanceof Parameter));
  }

  /** Number of trainable values. Takes no memory. */
  get parameterCount(): number {
    let count = 0;
    for (const parameter of this.parameters().values()) count += parameter.size;
    return count;
  }

  /**
   * Draws new values for every parameter; each has a stream of its own, folded from its dotted name. Buffers get their
   * initial values.
   */
  initialize(key: RandomKey): this {
    for (const [name, entry] of this.#state()) {
      if (entry instanceof Parameter) entry.initialize(foldIn(key, name));
      else entry.reset();
    }
    return this;
  }

  /**
   * Under which names and shapes this module can be read and written; the first are its own. A module that has layouts
   * of several projects overrides this.
   */
  stateDictLayouts(): readonly StateDictLayout[] {
    return [ownLayout('', this)];
  }

  /** How the last loaded state dict was understood. */
  get loadedLayout(): FoundLayout | undefined {
    return this.#loadedLayout;
  }

  /**
   * Parameters and buffers, by default in the module's own names and PyTorch layouts; float32 but for counts (int64).
   * The data is the caller's.
   * @throws {ArgumentError} on a layout that the module does not know.
   */
  async stateDict(options: LayoutOptions = {}): Promise<Map<string, TensorView>> {
    const steps = planSave(this.constructor.name, this.#state(), this.stateDictLayouts(), options);
    const state = new Map<string, TensorView>();
    for (const { entry, sources, split } of steps) {
      const views =
        entry instanceof Parameter
          ? split(await entry.read()).map((values, i) => float32View(values, sources[i].shape))
          : [await entry.view()];
      for (const [i, view] of views.entries()) state.set(sources[i].name, view);
    }
    return state;
  }

  /**
   * Takes the values of a PyTorch state dict, of any floating-point type, in any layout that the module knows. Strict,
   * all or nothing: the names and shapes must be exactly the layout's, the bytes as many as these ask for, and the values
   * finite; nothing is loaded otherwise.
   *
   * @throws {StateDictError} that lists every missing, unexpected and mis-shaped name at once, or else every tensor with
   * values that are not finite.
   * @throws {ArgumentError} on a layout that the module does not know.
   */
  loadStateDict(state: StateDict, options: LoadOptions = {}): this {
    const { found, steps } = this.planLoad(state, options);
    const views = steps.flatMap(({ sources }) => sources).map(({ name }) => named(name, state.get(name) as TensorView));
    checkBytes(this.constructor.name, views);
    if (!options.allowNonFinite) refuseNonFinite(this.constructor.name, nonFiniteNames(views));
    // one parameter at a time is held beside the file
    for (const step of steps)
      loadStep(
        step,
        step.sources.map(({ name }) => state.get(name) as TensorView),
      );
    this.#loadedLayout = found;
    return this;
  }

  /**
   * As `loadStateDict`, from a file that is read by ranges (`openSafetensors`, `openTorch` and their kin of
   * `@sd/checkpoint`): one parameter at a time is in memory beside the module. Names and shapes are checked before
   * anything is read.
   *
   * Once values are being read, a failure cannot leave the former ones: where a read fails, or values are not finite,
   * the module is disposed of and can be loaded or initialised again. What uses its variables in the meantime, such as an
   * optimiser, must be made anew then.
   * @throws {StateDictError} as `loadStateDict`; what the file throws passes through.
   * @throws {ArgumentError} on a layout that the module does not know.
   */
  async loadFrom(file: TensorFile, options: LoadOptions = {}): Promise<this> {
    const module = this.constructor.name;
    const { found, steps } = this.planLoad(new Map(file.names.map((name) => [name, file.info(name)])), options);
    const nonFinite: string[] = [];
    try {
      for (const step of steps) {
        const views: [string, TensorView][] = [];
        for (const { name } of step.sources) views.push(named(name, await file.tensor(name)));
        checkBytes(module, views);
        if (!options.allowNonFinite) nonFinite.push(...nonFiniteNames(views));
        // else read on for the names of all
        if (nonFinite.length === 0)
          loadStep(
            step,
            views.map(([, view]) => view),
          );
      }
      refuseNonFinite(module, nonFinite);
    } catch (error) {
      this.dispose();
      this.#loadedLayout = undefined;
      throw error;
    }
    this.#loadedLayout = found;
    return this;
  }

  /**
   * What `loadStateDict` would do with a file of this header: which of its tensors make each parameter or buffer. Reads
   * nothing.
   * @throws {StateDictError} as `loadStateDict`.
   */
  planLoad(header: TensorShapes, options: LayoutOptions = {}): LoadPlan {
    return planLoad(this.constructor.name, this.#state(), this.stateDictLayouts(), header, options);
  }

  /** How `loadStateDict` understands a file of this header, be it of this architecture or not. */
  detectLayout(header: TensorShapes, options: LayoutOptions = {}): FoundLayout {
    return detectLayout(this.constructor.name, this.stateDictLayouts(), header, options);
  }

  /** Frees every parameter and buffer. The module may be initialised or loaded again. */
  dispose(): void {
    for (const entry of this.#state().values()) entry.dispose();
  }

  #state(): Map<string, Parameter | StateBuffer> {
    const result = new Map<string, Parameter | StateBuffer>();
    this.#collect('', result);
    return result;
  }

  #collect(prefix: string, into: Map<string, Parameter | StateBuffer>): void {
    for (const [name, entry] of [...this.#parameters, ...this.#buffers]) {
      const path = joined(prefix, name);
      // `a.b` of one module and `b` of its child `a`
      if (into.has(path)) throw new ArgumentError('Module.parameters', 'name', 'a name not yet in use', path);
      into.set(path, entry);
    }
    for (const [name, module] of this.#children) module.#collect(joined(prefix, name), into);
  }

  #path(): string {
    return this.#parent ? joined(this.#parent.#path(), this.#name) : '';
  }
}

function named(name: string, view: TensorView): [name: string, view: TensorView] {
  return [name, view];
}

function loadStep({ entry, join }: LoadStep, views: readonly TensorView[]): void {
  if (entry instanceof Parameter) entry.loadBorrowed(join(views.map(asFloat32)));
  else entry.load(views[0]);
}

function joined(prefix: string, name: string): string {
  return prefix === '' ? name : `${prefix}.${name}`;
}

function only<T extends E, E>(state: ReadonlyMap<string, E>, is: (entry: E) => entry is T): Map<string, T> {
  return new Map([...state].filter((named): named is [string, T] => is(named[1])));
}
