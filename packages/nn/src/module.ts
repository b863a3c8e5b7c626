import { float32View, type StateDict, type TensorView } from '@sd/checkpoint';
import { ArgumentError, foldIn, type RandomKey, randomKey } from '@sd/core';
import type { Initializer } from './init';
import type { Layout } from './layout';
import { Parameter } from './parameter';
import { checkedParameterData } from './state-dict';

/**
 * Base of everything that has parameters. A module declares its children and parameters in its constructor, each under
 * the name that it has in the reference's PyTorch state dict, dots included (`'in_layers.0'`), and computes in a
 * method `forward`. There is no train or eval mode: what differs is an argument.
 */
export abstract class Module {
  readonly #children = new Map<string, Module>();
  readonly #parameters = new Map<string, Parameter>();
  #parent: Module | undefined;
  #name = '';

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
   * All parameters by dotted name, in the order of declaration, a module's own before its children's. Takes no memory.
   * @throws {ArgumentError} where two have the same dotted name.
   */
  parameters(): Map<string, Parameter> {
    const result = new Map<string, Parameter>();
    this.#collect('', result);
    return result;
  }

  /** Number of trainable values. Takes no memory. */
  get parameterCount(): number {
    let count = 0;
    for (const parameter of this.parameters().values()) count += parameter.size;
    return count;
  }

  /** Draws new values for every parameter; each has a stream of its own, folded from its dotted name. */
  initialize(key: RandomKey): this {
    for (const [name, parameter] of this.parameters()) parameter.initialize(foldIn(key, name));
    return this;
  }

  /** The parameters as float32 in PyTorch's names and layouts. The data is the caller's. */
  async stateDict(): Promise<Map<string, TensorView>> {
    const state = new Map<string, TensorView>();
    for (const [name, parameter] of this.parameters()) {
      state.set(name, float32View(await parameter.read(), parameter.torchShape));
    }
    return state;
  }

  /**
   * Takes the values of a PyTorch state dict, of any floating-point type. Strict, all or nothing: the names and shapes
   * must be exactly this module's, and nothing is loaded otherwise.
   *
   * @throws {StateDictError} that lists every missing, unexpected and mis-shaped name at once.
   */
  loadStateDict(state: StateDict): this {
    const data = checkedParameterData(this.constructor.name, this.parameters(), state);
    for (const [parameter, values] of data) parameter.load(values());
    return this;
  }

  /** Frees every parameter. The module may be initialised or loaded again. */
  dispose(): void {
    for (const parameter of this.parameters().values()) parameter.dispose();
  }

  #collect(prefix: string, into: Map<string, Parameter>): void {
    for (const [name, parameter] of this.#parameters) {
      const path = joined(prefix, name);
      // `a.b` of one module and `b` of its child `a`
      if (into.has(path)) throw new ArgumentError('Module.parameters', 'name', 'a name not yet in use', path);
      into.set(path, parameter);
    }
    for (const [name, module] of this.#children) module.#collect(joined(prefix, name), into);
  }

  #path(): string {
    return this.#parent ? joined(this.#parent.#path(), this.#name) : '';
  }
}

function joined(prefix: string, name: string): string {
  return prefix === '' ? name : `${prefix}.${name}`;
}
