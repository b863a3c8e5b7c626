import { normal, randomKey } from '@sd/core';
import type { UNet } from '@sd/unet';
import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type OnnxTensor, runOnnx } from './run-onnx';

/** How far a model in ONNX Runtime is from the same in this process: max|a - b| / max|b| over every output. */
export type OnnxCheck = { readonly relativeError: number; readonly outputs: readonly string[] };

/** Timesteps of the samples that are compared: the ends and one between, unless the batch is smaller. */
const TIMES = [999, 1, 501];

/**
 * Runs a UNet's graph in ONNX Runtime on random inputs and compares all that it gives.
 * @param file the graph's bytes. @param batch number of samples. @returns undefined where ONNX Runtime is not installed.
 * @throws {UserError} where it does not run the model.
 */
export async function verifyUNet(file: Uint8Array, unet: UNet, batch = 2): Promise<OnnxCheck | undefined> {
  const { imageSize, inChannels, contextDim, contextLength, numClasses } = unet.config;
  const x = normal(randomKey(0), [batch, imageSize, imageSize, inChannels]) as Tensor4D;
  const times = Array.from({ length: batch }, (_, i) => TIMES[i % TIMES.length]);
  const tokens = Math.min(contextLength, 77);
  const context =
    contextDim === undefined ? undefined : (normal(randomKey(1), [batch, tokens, contextDim]) as Tensor3D);
  const labels = numClasses === undefined ? undefined : times.map((t) => t % numClasses);
  try {
    const inputs: Record<string, OnnxTensor> = {
      sample: await channelsFirst(x),
      timestep: { data: Float32Array.from(times), shape: [batch] },
      ...(context ? { encoder_hidden_states: await plain(context) } : {}),
      ...(labels ? { class_labels: { data: BigInt64Array.from(labels, BigInt), shape: [batch] } } : {}),
    };
    const results = await runOnnx(file, inputs);
    if (results === undefined) return undefined;
    const options = { ...(context ? { context } : {}), ...(labels ? { labels } : {}) };
    const { output, gates } = unet.forwardWithGates(x, times, options);
    let relativeError = 0;
    try {
      for (const [name, { data }] of results) {
        const own =
          name === 'out_sample' ? await channelsFirst(output) : await plain(gates[name.replace(/^gates\./, '')]);
        relativeError = Math.max(relativeError, relativeDifference(data, own.data as Float32Array));
      }
    } finally {
      tf.dispose([output, gates]);
    }
    return { relativeError, outputs: [...results.keys()] };
  } finally {
    tf.dispose([x, context ?? []]);
  }
}

/** max|a - b| / max|b|. Infinite where the lengths differ, or a value is none. */
export function relativeDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let [error, largest] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    if (!Number.isFinite(a[i])) return Number.POSITIVE_INFINITY;
    error = Math.max(error, Math.abs(a[i] - b[i]));
    largest = Math.max(largest, Math.abs(b[i]));
  }
  return error / largest;
}

/** An image as ONNX has it. @param x `[N, H, W, C]`. Borrowed. @returns `[N, C, H, W]`. */
export async function channelsFirst(x: Tensor4D): Promise<OnnxTensor> {
  const turned = tf.transpose(x, [0, 3, 1, 2]);
  try {
    return await plain(turned);
  } finally {
    turned.dispose();
  }
}

export async function plain(x: Tensor4D | Tensor3D | tf.Tensor): Promise<OnnxTensor> {
  return { data: await (x as Tensor4D).data<'float32'>(), shape: x.shape };
}
