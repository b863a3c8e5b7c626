import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ArgumentError, foldIn, integerArray, normal, type RandomKey, randomKey } from '@sd/core';
import { schedulerFromConfig } from '@sd/schedulers';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { loadConfig } from '../config/load-config';
import { RunFolder } from '../config/run-folder';
import { Latents } from '../data/latents';
import { loadDiffusionModel } from '../files/weights-file';
import { modelWeights } from '../training/run-stages';

/** Of a model, over ranges of t from little noise to much. */
export type PredictionErrors = {
  readonly name: string;
  /** Mean squared error against what the prediction should be. */
  readonly error: readonly number[];
  /** Mean squared difference from what the first model predicts. */
  readonly fromFirst: readonly number[];
};

const BATCH = 64;

/**
 * What the finished models of a run folder, unconditional ones, predict of the same noisy examples of its latents.
 * @param examples how many; as many of each range. @param ranges into which the timesteps are cut.
 * @throws {ArgumentError} where the examples of a batch cannot be dealt evenly. @throws {UserError}
 */
export async function predictionErrors(
  root: string,
  { examples, ranges, seed }: { readonly examples: number; readonly ranges: number; readonly seed: number },
): Promise<PredictionErrors[]> {
  if (examples % BATCH !== 0 || BATCH % ranges !== 0) {
    throw new ArgumentError(
      'predictionErrors',
      'examples',
      `a multiple of ${BATCH}, in ranges that divide it`,
      examples,
    );
  }
  const config = await loadConfig(join(root, 'project.yaml'));
  const folder = new RunFolder(root);
  const latents = await Latents.load(folder.latents);
  const found: PredictionErrors[] = [];
  try {
    const files = Object.keys(config.models).map((name) => ({ name, weights: modelWeights({ config, folder }, name) }));
    const outputs: Tensor4D[] = []; // of the first model, by batch
    for (const { name, weights } of files.filter((file) => existsSync(file.weights))) {
      const { denoiser, metadata } = await loadDiffusionModel(weights);
      const scheduler = schedulerFromConfig(metadata.scheduler);
      const sums = { error: new Float64Array(ranges), fromFirst: new Float64Array(ranges) };
      for (let batch = 0; batch < examples / BATCH; batch++) {
        const key = foldIn(randomKey(seed), batch);
        const times = dealtTimes(foldIn(key, 't'), ranges, config.diffusion.trainTimesteps);
        const x0 = await latents.batch(integerArray(foldIn(key, 'latents'), BATCH, latents.length));
        const { prediction, target } = tf.tidy(() => {
          const noise = normal(foldIn(key, 'noise'), [...x0.shape]) as Tensor4D;
          const x = scheduler.addNoise(x0, noise, times);
          return {
            prediction: denoiser.forward(x, tf.tensor1d(times, 'float32')),
            target: scheduler.trainingTarget(x0, noise, times),
          };
        });
        const first = outputs[batch] ?? tf.clone(prediction);
        outputs[batch] = first;
        await add(sums.error, prediction, target);
        await add(sums.fromFirst, prediction, first);
        tf.dispose([x0, prediction, target]);
      }
      denoiser.dispose();
      const mean = (sum: Float64Array) => Array.from(sum, (value) => value / (examples / ranges));
      found.push({ name, error: mean(sums.error), fromFirst: mean(sums.fromFirst) });
    }
    tf.dispose(outputs);
    return found;
  } finally {
    await latents.close();
  }
}

/** Timesteps of a batch: the first ones of the first range, and so on. */
function dealtTimes(key: RandomKey, ranges: number, trainTimesteps: number): number[] {
  const width = Math.floor(trainTimesteps / ranges);
  return Array.from(integerArray(key, BATCH, width), (t, i) => t + width * Math.floor((i * ranges) / BATCH));
}

/** Adds each example's mean squared difference to the sum of its range. */
async function add(sums: Float64Array, a: Tensor4D, b: Tensor4D): Promise<void> {
  const squares = tf.tidy(() => tf.mean(tf.square(tf.sub(a, b)), [1, 2, 3]));
  const values = await squares.data();
  for (const [i, value] of values.entries()) sums[Math.floor((i * sums.length) / BATCH)] += value;
  squares.dispose();
}
