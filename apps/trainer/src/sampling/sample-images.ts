import { ArgumentError, checkInteger, checkRange, type RandomKey } from '@sd/core';
import type { Scheduler } from '@sd/schedulers';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { ReplayedDenoiser } from '../conditions/replayed-denoiser';
import type { OpenProgress } from '../console/progress';
import { decodeLatents } from '../data/latents';
import { type Guidance, guidedModel } from './guidance';
import type { InitImage } from './init-image';
import { interpolatedDraws, seededDraws } from './noise-draws';
import type { Pipeline } from './pipeline';
import type { Predictions } from './prediction-strip';

export type SampleOptions = {
  readonly count: number;
  readonly steps: number;
  /** Left out, the sampler's own; samplers that have none refuse it. */
  readonly eta?: number | undefined;
  readonly key: RandomKey;
  /** Samples that are drawn together. */
  readonly batchSize?: number;
  /** Index of the first sample: the others of the seed are left out. Default 0. */
  readonly from?: number;
  /** Goes from sample 0 of `key` to sample 0 of this key. */
  readonly interpolateTo?: RandomKey | undefined;
  /** Starts from an image, or keeps a part of it. Borrowed. */
  readonly init?: InitImage | undefined;
  /** What the samples are of, for a model that has a condition. */
  readonly guidance?: Guidance | undefined;
  /** Sees what the model predicts at every step. */
  readonly onPredictions?: ((predictions: Predictions) => void) | undefined;
  readonly label?: string;
  readonly openProgress: OpenProgress;
  readonly signal?: AbortSignal;
};

/**
 * Draws samples and decodes them. Sample i is the same whatever the batch size, as far as the backend's rounding allows.
 * @returns `[count, H, W, 3]` in [-1, 1]. Owned by the caller.
 * @throws {ArgumentError} on steps, an eta or a strength that the sampler cannot take. @throws the signal's reason.
 */
export async function sampleImages(pipeline: Pipeline, options: SampleOptions): Promise<Tensor4D> {
  const latents = await sampleLatents(pipeline, options);
  try {
    return decodeLatents(pipeline.autoencoder, latents, pipeline.scaleFactor);
  } finally {
    latents.dispose();
  }
}

/** Draws latents, scaled as the model has them. @returns `[count, H, W, C]`. Owned by the caller. See `sampleImages`. */
export async function sampleLatents(
  { unet, scheduler }: Pick<Pipeline, 'unet' | 'scheduler'>,
  options: SampleOptions,
): Promise<Tensor4D> {
  const { count, steps, eta, key, batchSize = 64, from = 0, label = 'sample', openProgress, signal } = options;
  const { interpolateTo, init, guidance, onPredictions } = options;
  const { imageSize, inChannels } = unet.config;
  if (interpolateTo !== undefined) checkInteger('sampleLatents', 'count', count, 2);
  if (init?.strength === 0) return tf.tile(init.latents, [count, 1, 1, 1]);
  const draws = interpolateTo === undefined ? seededDraws(key) : interpolatedDraws(key, interpolateTo, count);
  const run = { steps, ...(eta === undefined ? {} : { eta }) };
  const start = init === undefined ? 0 : firstStep(steps, init.strength);
  const calls = scheduler.plan({ ...run, start }).length;
  const batches = Math.ceil(count / batchSize);
  const progress = openProgress(label, batches * calls, 'step');
  const parts: Tensor4D[] = [];
  const passes = new ReplayedDenoiser(
    guidance?.denoiser ?? {
      kind: 'none',
      parameters: () => unet.parameters(),
      forward: (x, t) => unet.forward(x, t),
      forwardWithFeatures: (x, t) => unet.forwardWithFeatures(x, t),
    },
  );
  try {
    for (let batch = 0; batch < batches; batch++) {
      const first = batch * batchSize;
      const size = Math.min(batchSize, count - first);
      const draw = (name: 'start' | number) => draws(name, from + first, size, [imageSize, imageSize, inChannels]);
      const image = init && tf.tile(init.latents, [size, 1, 1, 1]);
      const guided = guidance && guidedModel({ ...guidance, denoiser: passes }, from + first, size);
      let x: Tensor4D | undefined;
      try {
        x = startOf(scheduler, steps, start, draw('start'), image);
        parts.push(
          await scheduler.sample(guided?.model ?? ((input, t) => passes.forward(input, t)), x, {
            ...run,
            start,
            noise: draw,
            ...(image && init?.known ? { inpaint: { image, known: init.known } } : {}),
            onStep: (done) => {
              const { step } = done;
              onPredictions?.({
                first,
                step,
                steps: calls,
                get predictedX0() {
                  return done.predictedX0;
                },
              });
              progress.update(batch * calls + step);
            },
            ...(signal ? { signal } : {}),
          }),
        );
      } finally {
        tf.dispose([x, image]);
        guided?.dispose();
      }
    }
    return tf.concat(parts, 0);
  } finally {
    passes.dispose();
    tf.dispose(parts);
    progress.stop();
  }
}

/** As in diffusers: a strength s takes the last floor(s S) of S steps. @throws {ArgumentError} where that is none. */
function firstStep(steps: number, strength: number): number {
  checkRange('sampleLatents', 'strength', strength, 0, 1);
  const taken = Math.floor(strength * steps);
  if (taken === 0) {
    throw new ArgumentError('sampleLatents', 'strength', `0, or at least 1/${steps}: one of ${steps} steps`, strength);
  }
  return steps - taken;
}

/** Where a run starts: the noise alone, or the image with the noise of the first step. @param noise is disposed. */
function startOf(
  scheduler: Scheduler,
  steps: number,
  start: number,
  noise: Tensor4D,
  image: Tensor4D | undefined,
): Tensor4D {
  try {
    return image === undefined || start === 0
      ? tf.mul(noise, scheduler.initNoiseSigma(steps))
      : scheduler.startFromImage(image, noise, { steps, start }).x;
  } finally {
    noise.dispose();
  }
}

/**
 * Denoising steps per second of a model: median over `runs` after a warm-up, the device's queue drained each time.
 * @param shape of the input, `[N, H, W, C]`.
 */
export async function measureStepsPerSecond(
  unet: { forward(x: Tensor4D, t: number): Tensor4D },
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
