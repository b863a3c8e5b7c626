import { quote } from '../quote';
import type { DType, TensorView } from '../tensor-view';
import { StorageRef } from './storage-ref';
import type { TensorRef } from './tensor-ref';

/** What a pickle can hold once it is read. Nothing here can act: names and data only. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleList
  | PickleDict
  | GlobalName
  | OpaqueObject
  | StorageRef
  | TensorRef
  | NumpyDType
  | NumpyArray;

/** A list, a tuple or a set. */
export class PickleList {
  constructor(readonly items: PickleValue[] = []) {}
}

const NO_ENTRIES: ReadonlyMap<PickleValue, PickleValue> = new Map();

/** A dict, whichever its class. Keys other than strings and numbers are told apart by identity. */
export class PickleDict {
  // Made at the first entry: an empty dict is one byte in a file, and a file may hold millions.
  #entries: Map<PickleValue, PickleValue> | undefined;

  get entries(): ReadonlyMap<PickleValue, PickleValue> {
    return this.#entries ?? NO_ENTRIES;
  }

  set(key: PickleValue, value: PickleValue): void {
    this.#entries ??= new Map();
    this.#entries.set(key, value);
  }
}

/** The dotted name of a class or function of Python, and nothing more. */
export class GlobalName {
  constructor(readonly name: string) {}
}

/** What stands for an object that only Python code could make: the name of its class, or of the function called. */
export class OpaqueObject {
  /** Entries that a dict's subclass was given, and items that a list's was. */
  readonly dict = new PickleDict();
  readonly list = new PickleList();

  constructor(
    readonly name: string,
    /** An instance is data of an unknown class; a call would have run a function. */
    readonly how: 'instance' | 'call',
  ) {}
}

/** numpy.dtype; its byte order comes by BUILD. */
export class NumpyDType {
  littleEndian = true;

  constructor(
    readonly code: string,
    readonly dtype: DType | undefined,
  ) {}
}

/** numpy.ndarray; its contents come by BUILD. */
export class NumpyArray {
  code = '';
  /** Undefined where its elements are no numbers. */
  view: TensorView | undefined;
}

/** A value in words for a message, with the names of what is refused. */
export function describeValue(value: PickleValue): string {
  if (value === null) return 'None';
  if (typeof value === 'string') return quote(value);
  if (typeof value !== 'object') return `${value}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (value instanceof PickleList) return `a sequence of ${value.items.length}`;
  if (value instanceof PickleDict) return `a dict of ${value.entries.size}`;
  if (value instanceof GlobalName) return plainName(value.name);
  if (value instanceof OpaqueObject) return describeOpaque(value);
  if (value instanceof StorageRef) return 'a storage';
  if (value instanceof NumpyDType) return `numpy.dtype(${quote(value.code)})`;
  if (value instanceof NumpyArray) return describeArray(value);
  return 'a tensor';
}

function describeArray({ code }: NumpyArray): string {
  return `a numpy.ndarray of type ${quote(code)}`;
}

/** `an instance of a.B`, `a call of a.b`. */
export function describeOpaque({ name, how }: OpaqueObject): string {
  return how === 'call' ? `a call of ${plainName(name)}` : `an instance of ${plainName(name)}`;
}

/** A dotted name as it is; anything stranger, or longer, quoted and cut. */
export function plainName(name: string): string {
  return /^[\w.<>]{1,120}$/.test(name) ? name : quote(name);
}
