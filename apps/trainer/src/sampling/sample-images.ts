import type { Autoencoder } from '@sd/autoencoder';
import { foldIn, type RandomKey } from '@sd/core';
import type { Scheduler } from '@sd/schedulers';
import type { UNet } from '@sd/unet';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { OpenProgress } from '../console/progress';
import { decodeLatents } from '../data/latents';
import { sampleNoise } from './sample-noise';

export type SampleOptions = {
  readonly count: number;
  readonly steps: number;
  readonly eta: number;
  readonly key: RandomKey;
  /** Samples that are drawn together. */
  readonly batchSize?: number;
  readonly label?: string;
  readonly openProgress: OpenProgress;
  readonly signal?: AbortSignal;
};

/** A model with all that makes images of its predictions. */
export type Pipeline = {
  readonly unet: UNet;
  readonly scheduler: Scheduler;
  readonly autoencoder: Autoencoder;
  readonly scaleFactor: number;
};

/**
 * Draws samples and decodes them. Sample i is the same whatever the batch size, as far as the backend's rounding allows.
 * @returns `[count, H, W, 3]` in [-1, 1]. Owned by the caller.
 */
export async function sampleImages(pipeline: Pipeline, options: SampleOptions): Promise<Tensor4D> {
  const { unet, scheduler, autoencoder, scaleFactor } = pipeline;
  const { count, steps, eta, key, batchSize = 64, label = 'sample', openProgress, signal } = options;
  const { imageSize, inChannels } = unet.config;
  const batches = Math.ceil(count / batchSize);
  const progress = openProgress(label, batches * steps, 'step');
  const images: Tensor4D[] = [];
  try {
    for (let batch = 0; batch < batches; batch++) {
      const first = batch * batchSize;
      const draw = (of: RandomKey) =>
        sampleNoise(of, first, Math.min(batchSize, count - first), [imageSize, imageSize, inChannels]);
      const noise = draw(foldIn(key, 'start'));
      const latents = await scheduler.sample((x, t) => unet.forward(x, t), noise, {
        steps,
        eta,
        noise: (n) => draw(foldIn(foldIn(key, 'step'), n)),
        onStep: ({ step }) => progress.update(batch * steps + step),
        ...(signal ? { signal } : {}),
      });
      images.push(decodeLatents(autoencoder, latents, scaleFactor));
      tf.dispose([noise, latents]);
    }
    return tf.concat(images, 0);
  } finally {
    tf.dispose(images);
    progress.stop();
  }
}

/**
 * Denoising steps per second of a model: median over `runs` after a warm-up, the device's queue drained each time.
 * @param shape of the input, `[N, H, W, C]`.
 */
export async function measureStepsPerSecond(
  unet: UNet,
  shape: readonly [number, number, number, number],
  runs = 10,
): Promise<number> {
  const x = tf.zeros([...shape]) as Tensor4D;
  const seconds: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const started = performance.now();
    const y = unet.forward(x, 500);
    await y.data();
    y.dispose();
    if (run > 0) seconds.push((performance.now() - started) / 1000);
  }
  x.dispose();
  seconds.sort((a, b) => a - b);
  return 1 / seconds[Math.floor(seconds.length / 2)];
}
