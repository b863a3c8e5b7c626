import type { TensorInfo } from '@tensorflow/tfjs-core';
import { Tile } from '@tensorflow/tfjs-core';
import { addressOf } from '../native/library';
import { denseStrides, stridedCopy } from '../native/strided-copy';
import { hasFourByteElements, nativeKernel } from '../wasm-kernel';

/** `tf.tile` and `tf.broadcastTo`: axis d becomes the two axes (repeat, position), the first of which stands still in x. */
export const tile = nativeKernel(Tile, ({ inputs, attrs, backend, native }): TensorInfo | null => {
  const { x } = inputs as { x: TensorInfo };
  const reps = attrs.reps as number[];
  if (!hasFourByteElements(x)) return null;
  const out = backend.makeOutput(
    x.shape.map((size, d) => size * (reps[d] as number)),
    x.dtype,
  );
  const split = x.shape.flatMap((size, d) => [reps[d] as number, size]);
  const from = denseStrides(x.shape).flatMap((stride) => [0, stride]);
  stridedCopy(native, addressOf(backend, out), addressOf(backend, x), split, from, denseStrides(split));
  return out;
});
