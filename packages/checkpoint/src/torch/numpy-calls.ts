import { toFloat64 } from '../decode';
import { quote } from '../quote';
import { bytesPerElement, type DType, describeShape, elementCount, SHAPE_RULE } from '../tensor-view';
import { type CallContext, integers, textArgument } from './call-context';
import { describeValue, NumpyArray, NumpyDType, PickleList, type PickleValue } from './pickle-values';
import { StorageRef } from './storage-ref';
import { TensorRef } from './tensor-ref';
import { toContiguous } from './to-contiguous';

const DTYPES: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['f8', 'F64'],
  ['f4', 'F32'],
  ['f2', 'F16'],
  ['i8', 'I64'],
  ['i4', 'I32'],
  ['i2', 'I16'],
  ['i1', 'I8'],
  ['u8', 'U64'],
  ['u4', 'U32'],
  ['u2', 'U16'],
  ['u1', 'U8'],
  ['b1', 'BOOL'],
]);

/** `numpy.dtype('f4', False, True)` */
export function makeNumpyDType([code]: readonly PickleValue[], { fail }: CallContext): PickleValue {
  const text = textArgument(code, fail);
  return new NumpyDType(text, DTYPES.get(text));
}

/** The state of a dtype: `(version, byteorder, ...)`. */
export function buildNumpyDType(dtype: NumpyDType, state: PickleValue, { fail }: CallContext): void {
  if (!(state instanceof PickleList)) throw fail('state', 'a tuple', describeValue(state));
  dtype.littleEndian = state.items[1] !== '>';
}

/** `numpy.core.multiarray.scalar(dtype, bytes)` as a number; scalars of other types, such as text, stay opaque. */
export function makeNumpyScalar([dtype, data]: readonly PickleValue[], context: CallContext): PickleValue {
  const { fail, opaque } = context;
  if (!(dtype instanceof NumpyDType)) throw fail('dtype', 'a numpy.dtype', describeValue(dtype ?? null));
  if (dtype.dtype === undefined) return opaque(`numpy.dtype(${quote(dtype.code)})`, 'instance');
  const bytes = rawBytes(data, context);
  checkElements(dtype, bytes, 1, context);
  const [value] = toFloat64({ dtype: dtype.dtype, shape: [], data: bytes });
  return dtype.dtype === 'BOOL' ? value !== 0 : value!;
}

/** `numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), b'b')`: an array whose contents come by BUILD. */
export function makeNumpyArray(): PickleValue {
  return new NumpyArray();
}

/** The state of an array: `(version, shape, dtype, isFortran, bytes)`. Arrays of objects and text get no view. */
export function buildNumpyArray(array: NumpyArray, state: PickleValue, context: CallContext): void {
  const { fail, spend } = context;
  if (!(state instanceof PickleList)) throw fail('state', 'a tuple', describeValue(state));
  const [, size, dtype, isFortran, data] = state.items;
  const shape = integers('shape', size, fail);
  if (!(dtype instanceof NumpyDType)) throw fail('dtype', 'a numpy.dtype', describeValue(dtype ?? null));
  array.code = dtype.code;
  if (dtype.dtype === undefined) return;
  const count = elementCount(shape);
  if (count === undefined) throw fail('shape', SHAPE_RULE, describeShape(shape));
  const bytes = rawBytes(data, context);
  checkElements(dtype, bytes, count, context);
  if (isFortran !== true) {
    array.view = { dtype: dtype.dtype, shape, data: bytes };
    return;
  }
  spend(bytes.length);
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, length) => product * length, 1));
  const storage = new StorageRef('', dtype.dtype, bytes.length, count, 0, bytes.length);
  const columns = new TensorRef(storage, dtype.dtype, shape, strides, 0, fail);
  array.view = { dtype: dtype.dtype, shape, data: toContiguous(columns, bytes) };
}

/** Bytes, also where Python 2's string of them happened to be text. */
function rawBytes(data: PickleValue | undefined, { fail, spend }: CallContext): Uint8Array {
  if (data instanceof Uint8Array) return data;
  const text = textArgument(data, fail);
  spend(text.length);
  return new TextEncoder().encode(text);
}

function checkElements(dtype: NumpyDType, bytes: Uint8Array, count: number, { fail }: CallContext): void {
  if (!dtype.littleEndian) throw fail('byte order', 'little-endian', 'big-endian');
  const expected = count * bytesPerElement(dtype.dtype!);
  if (bytes.length !== expected) throw fail('data', `${expected} bytes`, `${bytes.length}`);
}
