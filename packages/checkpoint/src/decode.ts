import { bfloat16ToFloat32Bits } from './bfloat16';
import { HOST_IS_LITTLE_ENDIAN, swapToHostOrder } from './byte-order';
import { CheckpointError } from './checkpoint-error';
import { float8E4m3Table, float8E5m2Table } from './float8';
import { float16Table } from './float16';
import { bytesPerElement, checkView, type TensorView } from './tensor-view';

type Elements = Exclude<ReturnType<typeof nativeElements>, undefined>;

/** The view's elements where JavaScript has a typed array for them; BOOL as 0 and 1. Owned. */
function nativeElements(view: TensorView) {
  const { buffer } = swapToHostOrder(view.data, bytesPerElement(view.dtype));
  switch (view.dtype) {
    case 'F64':
      return new Float64Array(buffer);
    case 'F32':
      return new Float32Array(buffer);
    case 'I64':
      return new BigInt64Array(buffer);
    case 'U64':
      return new BigUint64Array(buffer);
    case 'I32':
      return new Int32Array(buffer);
    case 'U32':
      return new Uint32Array(buffer);
    case 'I16':
      return new Int16Array(buffer);
    case 'U16':
      return new Uint16Array(buffer);
    case 'I8':
      return new Int8Array(buffer);
    case 'U8':
      return new Uint8Array(buffer);
    case 'BOOL':
      return new Uint8Array(buffer).map((byte) => (byte === 0 ? 0 : 1));
    case 'F16':
      return lookup(float16Table(), new Uint16Array(buffer));
    case 'BF16':
      return new Float32Array(bfloat16ToFloat32Bits(new Uint16Array(buffer)).buffer);
    case 'F8_E4M3':
      return lookup(float8E4m3Table(), new Uint8Array(buffer));
    case 'F8_E5M2':
      return lookup(float8E5m2Table(), new Uint8Array(buffer));
  }
}

function lookup(table: Uint32Array, patterns: Uint16Array | Uint8Array): Float32Array<ArrayBuffer> {
  const bits = new Uint32Array(patterns.length);
  for (let i = 0; i < patterns.length; i++) bits[i] = table[patterns[i]!]!;
  return new Float32Array(bits.buffer);
}

function isBigInt(elements: Elements): elements is BigInt64Array<ArrayBuffer> | BigUint64Array<ArrayBuffer> {
  return elements instanceof BigInt64Array || elements instanceof BigUint64Array;
}

/**
 * The elements as float32, whatever the dtype: F16, BF16 and F8 exactly (NaN payloads too), F64 and 32-bit integers
 * rounded to nearest even, 64-bit integers rounded to float64 first, BOOL as 0 and 1.
 * @param view any shape. Borrowed.
 * @returns `prod(shape)` values in C order, in memory of their own.
 * @throws CheckpointError where the data's length disagrees with dtype and shape.
 */
export function toFloat32(view: TensorView): Float32Array<ArrayBuffer> {
  checkView('toFloat32', 'view', view);
  const elements = nativeElements(view);
  if (elements instanceof Float32Array) return elements;
  return isBigInt(elements) ? Float32Array.from(elements as Iterable<bigint>, Number) : new Float32Array(elements);
}

/**
 * As `toFloat32`, but F32 that is aligned to 4 bytes is not copied: the values then share the view's memory.
 * @param view any shape. Borrowed, for as long as the values are used.
 * @throws CheckpointError where the data's length disagrees with dtype and shape.
 */
export function asFloat32(view: TensorView): Float32Array {
  const { buffer, byteOffset } = view.data;
  if (view.dtype !== 'F32' || !HOST_IS_LITTLE_ENDIAN || byteOffset % 4 !== 0) return toFloat32(view);
  return new Float32Array(buffer, byteOffset, checkView('asFloat32', 'view', view));
}

/**
 * The elements as float64, whatever the dtype; exact, but for 64-bit integers beyond 2^53, which are rounded.
 * @param view any shape. Borrowed.
 * @returns `prod(shape)` values in C order, in memory of their own.
 * @throws CheckpointError where the data's length disagrees with dtype and shape.
 */
export function toFloat64(view: TensorView): Float64Array<ArrayBuffer> {
  checkView('toFloat64', 'view', view);
  const elements = nativeElements(view);
  if (elements instanceof Float64Array) return elements;
  return isBigInt(elements) ? Float64Array.from(elements as Iterable<bigint>, Number) : new Float64Array(elements);
}

/**
 * The elements of an integer or BOOL view as int32.
 * @param view any shape, dtype I8 to I64, U8 to U64 or BOOL. Borrowed.
 * @returns `prod(shape)` values in C order, in memory of their own.
 * @throws CheckpointError on floating-point dtypes, on values outside -2^31 .. 2^31 - 1, and where the data's length
 * disagrees with dtype and shape.
 */
export function toInt32(view: TensorView): Int32Array<ArrayBuffer> {
  checkView('toInt32', 'view', view);
  if (view.dtype.includes('F')) {
    throw new CheckpointError('toInt32', 'view dtype', 'an integer type or BOOL', view.dtype);
  }
  const elements = nativeElements(view);
  if (elements instanceof Int32Array) return elements;
  const result = new Int32Array(elements.length);
  for (let i = 0; i < result.length; i++) {
    result[i] = Number(elements[i]);
    // A 64-bit integer that float64 rounds is far outside int32, so comparing as numbers is enough.
    if (result[i] !== Number(elements[i])) {
      throw new CheckpointError('toInt32', `view element ${i}`, 'within -2^31 .. 2^31 - 1', `${elements[i]}`);
    }
  }
  return result;
}
