import { bytesPerElement, type DType, describeShape, elementCount, SHAPE_RULE } from '../tensor-view';
import type { Fail } from './fail';
import type { StorageRef } from './storage-ref';

/** A strided view of a storage, checked to lie within it. */
export class TensorRef {
  /** Number of elements. */
  readonly count: number;
  /** First byte of the first element, and the byte after the last, within the file's storage. */
  readonly begin: number;
  readonly end: number;
  /** Whether the elements follow each other in C order. */
  readonly isContiguous: boolean;

  /**
   * @param offset and `strides` in elements.
   * @throws what `fail` returns, where a part of the tensor lies outside of its storage.
   */
  constructor(
    readonly storage: StorageRef,
    readonly dtype: DType,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
    offset: number,
    fail: Fail,
  ) {
    const count = elementCount(shape);
    if (count === undefined) throw fail('tensor shape', SHAPE_RULE, describeShape(shape));
    if (strides.length !== shape.length) {
      throw fail('tensor strides', `${shape.length} for ${describeShape(shape)}`, `${strides.length}`);
    }
    this.count = count;
    this.isContiguous = isContiguous(shape, strides);
    const width = bytesPerElement(dtype);
    const last = count === 0 ? 0 : 1 + shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, offset);
    if (count > 0 && !(last * width <= storage.bytes)) {
      throw fail('tensor', `within the ${storage.bytes} bytes of its storage`, `a last byte at ${last * width}`);
    }
    this.begin = count === 0 ? 0 : storage.begin + offset * width;
    this.end = count === 0 ? 0 : storage.begin + last * width;
  }

  /** Bytes of the tensor once its elements follow each other. */
  get bytes(): number {
    return this.count * bytesPerElement(this.dtype);
  }
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1) continue;
    if (strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}
