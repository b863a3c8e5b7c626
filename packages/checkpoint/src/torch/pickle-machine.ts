import type { CallContext } from './call-context';
import type { Fail } from './fail';
import { knownCall } from './known-calls';
import { buildNumpyArray, buildNumpyDType } from './numpy-calls';
import {
  describeValue,
  GlobalName,
  NumpyArray,
  NumpyDType,
  OpaqueObject,
  PickleDict,
  PickleList,
  type PickleValue,
  plainName,
} from './pickle-values';
import type { StorageRef } from './storage-ref';
import { TensorRef } from './tensor-ref';

/** The longest pickle that is read, in bytes: the tensors' own bytes lie outside of it. */
export const MAX_PICKLE_BYTES = 1 << 26;

/** Each makes at most one object: bounds the memory that a hostile file of many can take. */
const MAX_OPERATIONS = 5_000_000;

/** The longest integer, in bytes: any that a checkpoint holds is far shorter, and time is quadratic in it. */
const MAX_INTEGER_BYTES = 256;

/** Copies that calls make of what was read, all together: a file can ask for the same copy many times. */
const WORK_PER_BYTE = 2;
const FREE_WORK = 1 << 16;

const MAX_PROTOCOL = 5;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The opcodes that are not interpreted, for messages. */
const REFUSED_OPCODES: ReadonlyMap<number, string> = new Map([
  [0x46, 'FLOAT'],
  [0x49, 'INT'],
  [0x4c, 'LONG'],
  [0x50, 'PERSID'],
  [0x53, 'STRING'],
  [0x56, 'UNICODE'],
  [0x67, 'GET'],
  [0x69, 'INST'],
  [0x6f, 'OBJ'],
  [0x70, 'PUT'],
  [0x82, 'EXT1'],
  [0x83, 'EXT2'],
  [0x84, 'EXT4'],
  [0x97, 'NEXT_BUFFER'],
  [0x98, 'READONLY_BUFFER'],
]);

// Python 2's names, and numpy's of before and after its version 2, are one.
const RENAMED: readonly [prefix: string, name: string][] = [
  ['__builtin__.', 'builtins.'],
  ['copy_reg.', 'copyreg.'],
  ['numpy._core.', 'numpy.core.'],
  ['torch.tensor.', 'torch._tensor.'],
];

const MARK = Symbol('mark');

/** Thrown where the pickle goes on after the bytes at hand: it may be read again from more of them. */
export class PickleCut extends Error {
  override readonly name = 'PickleCut';
}

export type PickleOptions = {
  /** The part of the file, for messages. */
  readonly part: string;
  readonly fail: Fail;
  /** Makes the storage that a persistent id names. */
  readonly storage: (id: readonly PickleValue[], fail: Fail) => StorageRef;
};

/** A pickle that was read. */
export type Pickle = {
  readonly value: PickleValue;
  /** The byte after its last. */
  readonly end: number;
  /** Everything unknown that it makes, by name. */
  readonly opaque: readonly OpaqueObject[];
  readonly globals: readonly GlobalName[];
  /** Every storage that a persistent id names, in the order of the pickle. */
  readonly storages: readonly StorageRef[];
};

/**
 * Reads one pickle without running any of it: an interpreter of the opcodes of protocols 2 to 5 that hold data. Names
 * of classes and functions stay names; calls of the few that make tensors and plain containers are carried out here
 * (`known-calls.ts`), and whatever else is called or made leaves an `OpaqueObject`. Every other opcode is refused.
 *
 * Time and memory are linear in the bytes read: lengths are checked against them before anything is made, and there
 * are at most 5,000,000 operations. Nothing recurses.
 * @param bytes the pickle from its first byte on. Borrowed; byte strings share its memory.
 * @throws what `fail` returns; `PickleCut` where the bytes end before the pickle does.
 * @see https://docs.python.org/3/library/pickletools.html
 */
export function readPickle(bytes: Uint8Array, { part, fail, storage }: PickleOptions): Pickle {
  return new PickleMachine(bytes, part, fail, storage).run();
}

class PickleMachine {
  private at = 0;
  private opcodeAt = 0;
  private readonly view: DataView;
  private readonly stack: (PickleValue | typeof MARK)[] = [];
  private readonly memo = new Map<number, PickleValue>();
  private readonly globals = new Map<string, GlobalName>();
  private readonly opaque: OpaqueObject[] = [];
  private readonly storages: StorageRef[] = [];
  private work = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly part: string,
    private readonly failPart: Fail,
    private readonly storage: PickleOptions['storage'],
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  run(): Pickle {
    for (let operations = 0; ; operations++) {
      if (operations === MAX_OPERATIONS) throw this.fail('', `of at most ${MAX_OPERATIONS} operations`, 'more');
      this.opcodeAt = this.at;
      const opcode = this.bytes[this.take(1)]!;
      if (opcode === 0x2e) {
        const value = this.pop();
        if (this.stack.length > 0) throw this.fail(' stack', 'empty after STOP', `${this.stack.length} values`);
        return {
          value,
          end: this.at,
          opaque: this.opaque,
          globals: [...this.globals.values()],
          storages: this.storages,
        };
      }
      this.execute(opcode);
    }
  }

  private execute(opcode: number): void {
    const { stack, view } = this;
    switch (opcode) {
      case 0x80: {
        // PROTO
        const protocol = this.bytes[this.take(1)]!;
        if (protocol > MAX_PROTOCOL) throw this.fail(' protocol', `at most ${MAX_PROTOCOL}`, `${protocol}`);
        return;
      }
      case 0x95: // FRAME: its length helps readers of streams only
        this.take(8);
        return;
      case 0x28: // MARK
        stack.push(MARK);
        return;
      case 0x30: // POP
        if (stack.pop() === undefined) throw this.fail(' stack', 'of at least 1 value', 'none');
        return;
      case 0x31: // POP_MARK
        this.popMark();
        return;
      case 0x32: // DUP
        stack.push(this.top());
        return;
      case 0x4e: // NONE
        stack.push(null);
        return;
      case 0x88: // NEWTRUE
        stack.push(true);
        return;
      case 0x89: // NEWFALSE
        stack.push(false);
        return;
      case 0x4a: // BININT
        stack.push(view.getInt32(this.take(4), true));
        return;
      case 0x4b: // BININT1
        stack.push(this.bytes[this.take(1)]!);
        return;
      case 0x4d: // BININT2
        stack.push(view.getUint16(this.take(2), true));
        return;
      case 0x8a: // LONG1
        stack.push(this.integer(this.bytes[this.take(1)]!));
        return;
      case 0x8b: // LONG4
        stack.push(this.integer(view.getUint32(this.take(4), true)));
        return;
      case 0x47: // BINFLOAT
        stack.push(view.getFloat64(this.take(8), false));
        return;
      case 0x8c: // SHORT_BINUNICODE
        stack.push(this.text(this.bytes[this.take(1)]!));
        return;
      case 0x58: // BINUNICODE
        stack.push(this.text(view.getUint32(this.take(4), true)));
        return;
      case 0x8d: // BINUNICODE8
        stack.push(this.text(this.length8()));
        return;
      case 0x55: // SHORT_BINSTRING
        stack.push(this.python2String(this.bytes[this.take(1)]!));
        return;
      case 0x54: // BINSTRING
        stack.push(this.python2String(view.getUint32(this.take(4), true)));
        return;
      case 0x43: // SHORT_BINBYTES
        stack.push(this.byteString(this.bytes[this.take(1)]!));
        return;
      case 0x42: // BINBYTES
        stack.push(this.byteString(view.getUint32(this.take(4), true)));
        return;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        stack.push(this.byteString(this.length8()));
        return;
      case 0x7d: // EMPTY_DICT
        stack.push(new PickleDict());
        return;
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
      case 0x8f: // EMPTY_SET
        stack.push(new PickleList());
        return;
      case 0x85: // TUPLE1
        stack.push(new PickleList(this.popMany(1)));
        return;
      case 0x86: // TUPLE2
        stack.push(new PickleList(this.popMany(2)));
        return;
      case 0x87: // TUPLE3
        stack.push(new PickleList(this.popMany(3)));
        return;
      case 0x74: // TUPLE
      case 0x6c: // LIST
      case 0x91: // FROZENSET
        stack.push(new PickleList(this.popMark()));
        return;
      case 0x64: {
        // DICT
        const dict = new PickleDict();
        this.setItems(dict, this.popMark());
        stack.push(dict);
        return;
      }
      case 0x61: // APPEND
        this.append(this.popMany(1));
        return;
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        this.append(this.popMark());
        return;
      case 0x73: // SETITEM
        this.setItemsOfTop(this.popMany(2));
        return;
      case 0x75: // SETITEMS
        this.setItemsOfTop(this.popMark());
        return;
      case 0x71: // BINPUT
        this.memo.set(this.bytes[this.take(1)]!, this.top());
        return;
      case 0x72: // LONG_BINPUT
        this.memo.set(view.getUint32(this.take(4), true), this.top());
        return;
      case 0x94: // MEMOIZE
        this.memo.set(this.memo.size, this.top());
        return;
      case 0x68: // BINGET
        stack.push(this.remembered(this.bytes[this.take(1)]!));
        return;
      case 0x6a: // LONG_BINGET
        stack.push(this.remembered(view.getUint32(this.take(4), true)));
        return;
      case 0x63: {
        // GLOBAL
        const module = this.line();
        stack.push(this.global(module, this.line()));
        return;
      }
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string') {
          throw this.fail(' STACK_GLOBAL', 'two strings', `${describeValue(module!)} and ${describeValue(name!)}`);
        }
        stack.push(this.global(module, name));
        return;
      }
      case 0x52: {
        // REDUCE
        const [callable, args] = this.popMany(2);
        stack.push(this.call(callable!, args!));
        return;
      }
      case 0x81: {
        // NEWOBJ
        const [cls] = this.popMany(2);
        stack.push(this.instance(cls!));
        return;
      }
      case 0x92: {
        // NEWOBJ_EX
        const [cls] = this.popMany(3);
        stack.push(this.instance(cls!));
        return;
      }
      case 0x62: {
        // BUILD
        const [state] = this.popMany(1);
        this.build(state!);
        return;
      }
      case 0x51: {
        // BINPERSID
        const [id] = this.popMany(1);
        if (!(id instanceof PickleList)) throw this.fail(' persistent id', 'a tuple', describeValue(id!));
        const storage = this.storage(id.items, (part, expected, actual) => this.fail(` ${part}`, expected, actual));
        this.storages.push(storage);
        stack.push(storage);
        return;
      }
      default: {
        const hex = `0x${opcode.toString(16).padStart(2, '0')}`;
        const name = REFUSED_OPCODES.get(opcode);
        throw this.fail(' opcode', 'one that holds data', name === undefined ? hex : `${name} (${hex})`);
      }
    }
  }

  private fail(part: string, expected: string, actual: string): Error {
    return this.failPart(`${this.part} byte ${this.opcodeAt}${part}`, expected, actual);
  }

  /** Steps over `length` bytes and returns where they begin. */
  private take(length: number): number {
    if (length > this.bytes.length - this.at) throw new PickleCut();
    this.at += length;
    return this.at - length;
  }

  private length8(): number {
    return Number(this.view.getBigUint64(this.take(8), true));
  }

  private byteString(length: number): Uint8Array {
    const begin = this.take(length);
    // Not subarray, which would hand on the class of a Node Buffer.
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + begin, length);
  }

  private text(length: number): string {
    return this.decode(this.byteString(length)) ?? this.notUtf8();
  }

  /** Python 2 kept text and bytes in one type: text where it can be. */
  private python2String(length: number): string | Uint8Array {
    const bytes = this.byteString(length);
    return this.decode(bytes) ?? bytes;
  }

  private line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) throw new PickleCut();
    const line = this.text(end - this.at);
    this.take(1);
    return line;
  }

  private decode(bytes: Uint8Array): string | undefined {
    try {
      return UTF8.decode(bytes);
    } catch {
      return undefined;
    }
  }

  private notUtf8(): never {
    throw this.fail(' text', 'UTF-8', 'other bytes');
  }

  private integer(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES) {
      throw this.fail(' integer', `of at most ${MAX_INTEGER_BYTES} bytes`, `${length}`);
    }
    const digits = this.byteString(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(digits[i]!);
    const signed = BigInt.asIntN(8 * length, value);
    const number = Number(signed);
    return Number.isSafeInteger(number) ? number : signed;
  }

  private top(): PickleValue {
    const value = this.stack.at(-1);
    if (value === undefined || value === MARK) throw this.fail(' stack', 'a value on top', 'none');
    return value;
  }

  private pop(): PickleValue {
    const value = this.top();
    this.stack.pop();
    return value;
  }

  private popMany(count: number): PickleValue[] {
    const values: PickleValue[] = [];
    for (let i = 0; i < count; i++) values.push(this.pop());
    return values.reverse();
  }

  /** The values above the topmost mark, which goes with them. */
  private popMark(): PickleValue[] {
    const values: PickleValue[] = [];
    for (;;) {
      const value = this.stack.pop();
      if (value === undefined) throw this.fail(' stack', 'a mark', 'none');
      if (value === MARK) return values.reverse();
      values.push(value);
    }
  }

  private remembered(index: number): PickleValue {
    const value = this.memo.get(index);
    if (value === undefined) throw this.fail(` memo ${index}`, 'set before', 'nothing');
    return value;
  }

  private append(values: readonly PickleValue[]): void {
    const target = this.top();
    const list = target instanceof OpaqueObject ? target.list : target;
    if (!(list instanceof PickleList)) throw this.fail(' APPENDS', 'onto a list or a set', describeValue(target));
    for (const value of values) list.items.push(value);
  }

  private setItemsOfTop(values: readonly PickleValue[]): void {
    const target = this.top();
    const dict = target instanceof OpaqueObject ? target.dict : target;
    if (!(dict instanceof PickleDict)) throw this.fail(' SETITEMS', 'of a dict', describeValue(target));
    this.setItems(dict, values);
  }

  private setItems(dict: PickleDict, values: readonly PickleValue[]): void {
    if (values.length % 2 !== 0) throw this.fail(' SETITEMS', 'pairs', `${values.length} values`);
    for (let i = 0; i < values.length; i += 2) dict.set(values[i]!, values[i + 1]!);
  }

  private global(module: string, name: string): GlobalName {
    let dotted = `${module}.${name}`;
    for (const [from, to] of RENAMED) if (dotted.startsWith(from)) dotted = to + dotted.slice(from.length);
    let global = this.globals.get(dotted);
    if (global === undefined) {
      global = new GlobalName(dotted);
      this.globals.set(dotted, global);
    }
    return global;
  }

  private call(callable: PickleValue, args: PickleValue): PickleValue {
    if (!(callable instanceof GlobalName))
      throw this.fail(' REDUCE', 'of a function or class', describeValue(callable));
    if (!(args instanceof PickleList)) throw this.fail(' REDUCE', 'with a tuple', describeValue(args));
    if (callable.name === 'copyreg._reconstructor') return this.instance(args.items[0] ?? null);
    const known = knownCall(callable.name);
    return known === undefined
      ? this.makeOpaque(callable.name, 'call')
      : known(args.items, this.context(plainName(callable.name)));
  }

  private instance(cls: PickleValue): PickleValue {
    if (!(cls instanceof GlobalName)) throw this.fail(' NEWOBJ', 'of a class', describeValue(cls));
    return cls.name === 'collections.OrderedDict' ? new PickleDict() : this.makeOpaque(cls.name, 'instance');
  }

  private context(name: string): CallContext {
    return {
      fail: (part, expected, actual) => this.fail(` ${name} ${part}`, expected, actual),
      spend: (amount) => this.spend(amount),
      opaque: (object, how) => this.makeOpaque(object, how),
    };
  }

  private spend(amount: number): void {
    this.work += amount;
    const limit = WORK_PER_BYTE * this.bytes.length + FREE_WORK;
    if (this.work > limit) throw this.fail('', `of at most ${limit} steps of work`, 'more');
  }

  private makeOpaque(name: string, how: OpaqueObject['how']): OpaqueObject {
    const object = new OpaqueObject(name, how);
    this.opaque.push(object);
    return object;
  }

  private build(state: PickleValue): void {
    const target = this.top();
    if (target instanceof NumpyDType) buildNumpyDType(target, state, this.context('numpy.dtype'));
    else if (target instanceof NumpyArray) buildNumpyArray(target, state, this.context('numpy.ndarray'));
    else if (target instanceof PickleDict || target instanceof OpaqueObject || target instanceof TensorRef) {
      // Attributes: a state dict's `_metadata`, a parameter's own, an unknown object's contents.
    } else {
      throw this.fail(' BUILD', 'of an object with attributes', describeValue(target));
    }
  }
}
