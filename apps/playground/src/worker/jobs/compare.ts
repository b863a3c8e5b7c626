import { dft2d, luma } from '@sd/spectral-loss';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { BundledModel } from '../../model-id';
import type { ComparedModel, Comparison } from '../../protocol';
import type { SampleSettings } from '../../settings/sample-settings';
import { describe } from '../describe';
import { divergingSheet, shadedSheet } from '../maps';
import { decode, type Pipeline } from '../pipeline';
import { sheetOf } from '../sheet';
import { spectrumOf } from '../spectrum';
import { sampleLatents } from './sample';

const MODELS: readonly BundledModel[] = ['teacher', 'lite', 'sd'];

/** Samples every bundled model from the same noise (the paper's Figure 10, with its teacher). */
export async function compare(
  load: (id: BundledModel) => Promise<Pipeline>,
  settings: SampleSettings,
  onStep: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<Comparison> {
  const drawn: (Omit<ComparedModel, 'dft' | 'difference'> & { logPower: Float32Array; size: number })[] = [];
  for (const [index, id] of MODELS.entries()) {
    const pipeline = await load(id);
    const { latents, seconds, steps } = await sampleLatents(pipeline, settings, {
      signal,
      onStep: (done, total) => onStep(index * total + done, MODELS.length * total),
    });
    const images = decode(pipeline, latents);
    latents.dispose();
    try {
      drawn.push({
        id,
        info: describe(id, pipeline),
        images: await sheetOf(images),
        spectrum: await spectrumOf(images),
        stepsPerSecond: steps / seconds,
        logPower: await meanLogMagnitude(images),
        size: images.shape[1],
      });
    } finally {
      images.dispose();
    }
  }
  const [teacher, ...students] = drawn;
  const differences = students.map(({ logPower }) => logPower.map((value, i) => value - teacher.logPower[i]));
  const scale = Math.max(...differences.map((values) => quantile(values.map(Math.abs), 0.98)));
  const all = drawn.flatMap(({ logPower }) => Array.from(logPower));
  const range = [quantile(Float32Array.from(all), 0.01), quantile(Float32Array.from(all), 0.99)] as const;
  return {
    scale,
    models: drawn.map(({ logPower, size, ...model }, i) => ({
      ...model,
      dft: shadedSheet(logPower, size, range),
      difference: i === 0 ? null : divergingSheet(differences[i - 1], size, scale),
    })),
  };
}

/** Mean over images of log |F|, F the orthonormal DFT of luma, with the zero frequency in the middle. `[H * W]`. */
async function meanLogMagnitude(images: Tensor4D): Promise<Float32Array> {
  const mean = tf.tidy(() => {
    const { re, im } = dft2d(luma(images));
    const logs = tf.mul(tf.log(tf.add(tf.add(tf.square(re), tf.square(im)), 1e-8)), 0.5);
    return tf.mean(logs, [0, 3]); // [H, W]
  });
  const [height, width] = mean.shape as [number, number];
  const values = (await mean.data()) as Float32Array;
  mean.dispose();
  return values.map((_, i) => {
    const row = (Math.floor(i / width) + height / 2) % height;
    const column = ((i % width) + width / 2) % width;
    return values[Math.floor(row) * width + Math.floor(column)];
  });
}

function quantile(values: Float32Array, share: number): number {
  const sorted = Float32Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
