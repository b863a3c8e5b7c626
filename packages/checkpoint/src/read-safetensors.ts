import { LENGTH_BYTES, parseHeader, parseHeaderLength } from './safetensors-header';
import type { TensorView } from './tensor-view';

/** A whole safetensors file. */
export type Safetensors = {
  /** In the header's order. */
  readonly tensors: Map<string, TensorView>;
  /** The header's `__metadata__`, empty where it has none; an object without a prototype. */
  readonly metadata: Readonly<Record<string, string>>;
};

/**
 * Reads a safetensors file from memory. The header is checked in full before any tensor is made.
 * @param bytes the whole file. The views share its memory: nothing is copied.
 * @throws CheckpointError on anything that the format does not allow.
 * @see https://github.com/huggingface/safetensors#format
 */
export function readSafetensors(bytes: Uint8Array): Safetensors {
  const op = 'readSafetensors';
  const headerEnd = LENGTH_BYTES + parseHeaderLength(op, bytes, bytes.length);
  const header = parseHeader(op, bytes.subarray(LENGTH_BYTES, headerEnd), bytes.length - headerEnd);
  const tensors = new Map<string, TensorView>();
  for (const [name, { dtype, shape, dataOffsets }] of header.tensors) {
    const [begin, end] = dataOffsets;
    // Not subarray, which would hand on the class of a Node Buffer.
    const data = new Uint8Array(bytes.buffer, bytes.byteOffset + headerEnd + begin, end - begin);
    tensors.set(name, { dtype, shape, data });
  }
  return { tensors, metadata: header.metadata };
}
