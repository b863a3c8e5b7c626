import * as tf from '@tensorflow/tfjs-core';
import { type BackendInfo, type BackendName, type BackendOptions, useBackend } from '../index';

export type Tried = Omit<BackendInfo, 'lost'> & { readonly product: readonly number[] };

/** Starts a backend in the page and multiplies [[1, 2], [3, 4]] by [[5, 6], [7, 8]] on it. */
async function tryBackend(name: 'auto' | BackendName, options: BackendOptions): Promise<Tried> {
  const { lost: _, ...info } = await useBackend(name, options);
  const product = tf.tidy(() => tf.matMul(tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor2d([5, 6, 7, 8], [2, 2])));
  const values = Array.from(await product.data());
  product.dispose();
  return { ...info, product: values };
}

declare global {
  var sdTryBackend: typeof tryBackend;
}
globalThis.sdTryBackend = tryBackend;
