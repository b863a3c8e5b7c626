import { quote } from '../quote';
import type { TensorView } from '../tensor-view';
import type { Fail } from './fail';
import {
  describeOpaque,
  describeValue,
  GlobalName,
  NumpyArray,
  OpaqueObject,
  PickleDict,
  PickleList,
  type PickleValue,
  plainName,
} from './pickle-values';
import { TensorRef } from './tensor-ref';

/** A value of a checkpoint that is neither a tensor nor made of others. */
export type TorchScalar = string | number | bigint | boolean | null;

/** A tensor of the file, or an array that lies in the pickle itself. */
export type FoundTensor = TensorRef | TensorView;

export type Contents = {
  readonly tensors: Map<string, FoundTensor>;
  readonly others: Map<string, FoundTensor>;
  readonly metadata: Record<string, TorchScalar>;
  readonly wrapper: string | undefined;
};

/** Keys under which trainers save a model's state dict beside other things. */
const WRAPPERS = ['state_dict', 'model_state_dict', 'model', 'module', 'params'];

const MAX_DEPTH = 100;

/** V8 takes quadratic time beyond 2^23 keys of one object. */
const MAX_SCALARS = 1_000_000;

/** What is given per byte of the pickle: a file can name one container from many places, and so again within it. */
const STEPS_PER_BYTE = 16;
const FREE_STEPS = 1 << 16;

/**
 * Names the tensors of an object by the keys that lead to them, joined with dots.
 * @param bytes length of the pickle, to which the work stays proportional.
 * @param keepOpaque whether unknown objects may stand among the tensors of a state dict.
 * @throws what `fail` returns.
 */
export function collectTensors(root: PickleValue, bytes: number, keepOpaque: boolean, fail: Fail): Contents {
  return new Collector(STEPS_PER_BYTE * bytes + FREE_STEPS, keepOpaque, fail).collect(root);
}

class Collector {
  private readonly tensors = new Map<string, FoundTensor>();
  private readonly others = new Map<string, FoundTensor>();
  // Without a prototype: nothing but the file's own keys.
  private readonly metadata = Object.create(null) as Record<string, TorchScalar>;
  private readonly path = new Set<PickleValue>();
  private readonly misplaced: string[] = [];
  private scalars = 0;

  constructor(
    private steps: number,
    private readonly keepOpaque: boolean,
    private readonly fail: Fail,
  ) {}

  collect(root: PickleValue): Contents {
    if (root instanceof OpaqueObject && !this.keepOpaque) {
      throw this.fail(
        'object',
        'tensors or a container of them (save the state_dict of a model)',
        describeOpaque(root),
      );
    }
    const wrapper = wrapperOf(root);
    if (wrapper === undefined) this.visit('', root, this.tensors, false);
    else {
      for (const [key, value] of entriesOf(root)) {
        if (key === wrapper) this.visit('', value, this.tensors, true);
        else this.visit(key, value, this.others, false);
      }
    }
    if (this.misplaced.length > 0) {
      const shown = this.misplaced.slice(0, 10).join(', ');
      const more = this.misplaced.length > 10 ? `, and ${this.misplaced.length - 10} more` : '';
      throw this.fail('state dict', "of tensors and plain values (or pass { opaque: 'keep' })", `${shown}${more}`);
    }
    return { tensors: this.tensors, others: this.others, metadata: this.metadata, wrapper };
  }

  /** @param inside whether the value lies within a state dict. */
  private visit(name: string, value: PickleValue, into: Map<string, FoundTensor>, inside: boolean): void {
    this.spend(name.length + 1);
    if (value instanceof TensorRef) this.add(name, value, into);
    else if (value instanceof NumpyArray) {
      if (value.view !== undefined) this.add(name, value.view, into);
      else if (inside) this.misplace(name, describeValue(value));
    } else if (isScalar(value)) this.addScalar(name, value);
    else if (value instanceof GlobalName) this.addScalar(name, value.name);
    else if (value instanceof PickleDict || value instanceof PickleList || value instanceof OpaqueObject) {
      if (value instanceof OpaqueObject && inside) this.misplace(name, describeOpaque(value));
      this.visitEntries(name, value, into, inside);
    }
    // Storages and bytes without a tensor are neither tensors nor scalars.
  }

  private visitEntries(
    name: string,
    container: PickleDict | PickleList | OpaqueObject,
    into: Map<string, FoundTensor>,
    inside: boolean,
  ): void {
    if (this.path.has(container)) {
      // OmegaConf's nodes know their parents; a cycle of plain containers would give names without end.
      if (container instanceof OpaqueObject) return;
      throw this.fail(`object ${quote(name)}`, 'free of cycles', 'one that contains itself');
    }
    if (this.path.size === MAX_DEPTH) throw this.fail('object', `nested at most ${MAX_DEPTH} levels deep`, 'deeper');
    this.path.add(container);
    const within = inside || isStateDict(container);
    for (const [key, value] of entriesOf(container)) {
      this.spend(1);
      this.visit(name === '' ? key : `${name}.${key}`, value, into, within);
    }
    this.path.delete(container);
  }

  private add(name: string, tensor: FoundTensor, into: Map<string, FoundTensor>): void {
    if (into.has(name)) throw this.fail(`tensor ${quote(name)}`, 'of a name of its own', 'two of that name');
    into.set(name, tensor);
  }

  private addScalar(name: string, value: TorchScalar): void {
    if (++this.scalars > MAX_SCALARS) throw this.fail('object', `of at most ${MAX_SCALARS} plain values`, 'more');
    this.metadata[name] = value;
  }

  private misplace(name: string, what: string): void {
    if (!this.keepOpaque) this.misplaced.push(`${what} at ${quote(name)}`);
  }

  private spend(steps: number): void {
    this.steps -= steps;
    if (this.steps < 0) throw this.fail('object', 'a tree, or near one', 'containers named from so many places');
  }
}

/**
 * The root's one key that only wraps the state dict: it is one of the usual names, and nothing else at the root is a
 * dict of tensors too (`model` beside `ema`, say), so that leaving it out is no choice between two.
 */
function wrapperOf(root: PickleValue): string | undefined {
  if (!(root instanceof PickleDict)) return undefined;
  const stateDicts: PickleValue[] = [];
  for (const [key, value] of root.entries) if (isStateDict(value)) stateDicts.push(key);
  const [key] = stateDicts;
  return stateDicts.length === 1 && typeof key === 'string' && WRAPPERS.includes(key) ? key : undefined;
}

/** A dict of tensors: at least half of its values are. A callback's state with a score among its settings is none. */
function isStateDict(container: PickleValue): boolean {
  if (!(container instanceof PickleDict)) return false;
  let tensors = 0;
  for (const value of container.entries.values()) if (value instanceof TensorRef) tensors++;
  return tensors > 0 && 2 * tensors >= container.entries.size;
}

/** Entries under the names that they have in a path; classes as keys, as Lightning has them, by their own names. */
function* entriesOf(container: PickleValue): Iterable<[name: string, value: PickleValue]> {
  if (container instanceof PickleDict) {
    for (const [key, value] of container.entries) yield [keyName(key), value];
  } else if (container instanceof PickleList) {
    for (const [i, value] of container.items.entries()) yield [`${i}`, value];
  } else if (container instanceof OpaqueObject) {
    yield* entriesOf(container.dict);
    yield* entriesOf(container.list);
  }
}

function keyName(key: PickleValue): string {
  if (typeof key === 'string') return key;
  if (key instanceof GlobalName) return plainName(key.name);
  if (key instanceof PickleList) return `(${key.items.slice(0, 8).map(describeValue).join(', ')})`;
  return describeValue(key);
}

function isScalar(value: PickleValue): value is TorchScalar {
  return value === null || typeof value !== 'object';
}
