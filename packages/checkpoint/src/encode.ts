import { float32ToBfloat16Bits } from './bfloat16';
import { swapToHostOrder } from './byte-order';
import { CheckpointError } from './checkpoint-error';
import { float32ToFloat16Bits } from './float16';
import { bytesPerElement, type DType, describeShape, elementCount, SHAPE_RULE, type TensorView } from './tensor-view';

type Elements = Float64Array | Float32Array | Int32Array | Uint16Array;

function viewOf(op: string, dtype: DType, elements: Elements, shape: readonly number[]): TensorView {
  const count = elementCount(shape);
  if (count === undefined) throw new CheckpointError(op, 'shape', SHAPE_RULE, describeShape(shape));
  if (elements.length !== count) {
    throw new CheckpointError(op, 'data', `${count} values for shape ${describeShape(shape)}`, `${elements.length}`);
  }
  const bytes = new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
  return { dtype, shape: [...shape], data: swapToHostOrder(bytes, bytesPerElement(dtype)) };
}

/** `convert` of the binary32 pattern of each value. */
function convertBits(data: Float32Array, convert: (bits: number) => number): Uint16Array {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const result = new Uint16Array(data.length);
  // A loop: from() and map() with a function take several times as long on the millions of values of a model.
  for (let i = 0; i < result.length; i++) result[i] = convert(bits[i]!);
  return result;
}

/**
 * F64 view of `data`.
 * @param data `prod(shape)` values in C order. Borrowed: the view holds a copy.
 * @throws CheckpointError where shape and length disagree.
 */
export function float64View(data: Float64Array, shape: readonly number[]): TensorView {
  return viewOf('float64View', 'F64', data, shape);
}

/**
 * F32 view of `data`.
 * @param data `prod(shape)` values in C order. Borrowed: the view holds a copy.
 * @throws CheckpointError where shape and length disagree.
 */
export function float32View(data: Float32Array, shape: readonly number[]): TensorView {
  return viewOf('float32View', 'F32', data, shape);
}

/**
 * F16 view of `data`, rounded to nearest, ties to even: from 65520 on infinity; subnormals below 2^-14; zero up to
 * 2^-25; NaN stays NaN.
 * @param data `prod(shape)` values in C order. Borrowed: the view holds a copy.
 * @throws CheckpointError where shape and length disagree.
 */
export function float16View(data: Float32Array, shape: readonly number[]): TensorView {
  return viewOf('float16View', 'F16', convertBits(data, float32ToFloat16Bits), shape);
}

/**
 * BF16 view of `data`, rounded to nearest, ties to even; NaN stays NaN.
 * @param data `prod(shape)` values in C order. Borrowed: the view holds a copy.
 * @throws CheckpointError where shape and length disagree.
 */
export function bfloat16View(data: Float32Array, shape: readonly number[]): TensorView {
  return viewOf('bfloat16View', 'BF16', convertBits(data, float32ToBfloat16Bits), shape);
}

/**
 * I32 view of `data`.
 * @param data `prod(shape)` values in C order. Borrowed: the view holds a copy.
 * @throws CheckpointError where shape and length disagree.
 */
export function int32View(data: Int32Array, shape: readonly number[]): TensorView {
  return viewOf('int32View', 'I32', data, shape);
}
