import type { TensorInfo } from '@tensorflow/tfjs-core';
import { Select, util } from '@tensorflow/tfjs-core';
import { addressOf } from '../native/library';
import { hasFourByteElements, nativeKernel } from '../wasm-kernel';

/** `tf.where` with a condition for every element. */
export const select = nativeKernel(Select, ({ inputs, backend, native }): TensorInfo | null => {
  const { condition, t, e } = inputs as { condition: TensorInfo; t: TensorInfo; e: TensorInfo };
  if (condition.dtype !== 'bool' || t.dtype !== e.dtype || !hasFourByteElements(t)) return null;
  if (!util.arraysEqual(condition.shape, t.shape) || !util.arraysEqual(t.shape, e.shape)) return null;
  const out = backend.makeOutput(t.shape, t.dtype);
  const addresses = [out, condition, t, e].map((tensor) => addressOf(backend, tensor));
  native.functions.select(...addresses, util.sizeFromShape(t.shape));
  return out;
});
