import type { TensorInfo } from '@tensorflow/tfjs-core';
import { Identity } from '@tensorflow/tfjs-core';
import { wasmKernel } from '../wasm-kernel';

/** `tf.clone`, which tensors that nobody writes to may share their values for, as `tf.reshape` does; tfjs's copies them. */
export const identity = wasmKernel(Identity, ({ inputs, backend }): TensorInfo | null => {
  const { x } = inputs as { x: TensorInfo };
  if (x.dtype === 'string') return null;
  backend.incRef(x.dataId);
  return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
});
