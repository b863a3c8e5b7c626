import { bytesPerElement } from '../tensor-view';
import type { TensorRef } from './tensor-ref';

type Words = Uint8Array | Uint16Array | Uint32Array;

/**
 * The elements of a strided tensor in C order.
 * @param span the bytes `begin .. end` of its storage. Borrowed.
 * @returns bytes of their own.
 */
export function toContiguous(tensor: TensorRef, span: Uint8Array): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(tensor.bytes);
  const width = bytesPerElement(tensor.dtype);
  // Elements move as words of up to 4 bytes, or byte by byte where the file does not align them.
  const word = span.byteOffset % Math.min(width, 4) === 0 ? Math.min(width, 4) : 1;
  const perElement = width / word;
  const shape = [...tensor.shape];
  const strides = tensor.strides.map((stride) => stride * perElement);
  if (perElement > 1) {
    shape.push(perElement);
    strides.push(1);
  }
  gather(wordsOf(span, word), wordsOf(result, word), shape, strides);
  return result;
}

function wordsOf({ buffer, byteOffset, length }: Uint8Array, word: number): Words {
  if (word === 4) return new Uint32Array(buffer, byteOffset, length / 4);
  if (word === 2) return new Uint16Array(buffer, byteOffset, length / 2);
  return new Uint8Array(buffer, byteOffset, length);
}

/** Copies rows of the last two axes in plain loops; an odometer turns the axes before them. */
function gather(source: Words, target: Words, allSizes: readonly number[], allSteps: readonly number[]): void {
  const axes = allSizes.map((_, axis) => axis).filter((axis) => allSizes[axis] !== 1);
  const sizes = axes.map((axis) => allSizes[axis]!);
  const steps = axes.map((axis) => allSteps[axis]!);
  const [columns, columnStep] = [sizes.pop() ?? 1, steps.pop() ?? 0];
  const [rows, rowStep] = [sizes.pop() ?? 1, steps.pop() ?? 0];
  const digits = sizes.map(() => 0);
  let start = 0;
  for (let next = 0; next < target.length; ) {
    for (let row = 0; row < rows; row++) {
      let from = start + row * rowStep;
      for (let column = 0; column < columns; column++, from += columnStep) target[next++] = source[from]!;
    }
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      start += steps[axis]!;
      if (++digits[axis]! < sizes[axis]!) break;
      start -= digits[axis]! * steps[axis]!;
      digits[axis] = 0;
    }
  }
}
