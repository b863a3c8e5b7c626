import { foldIn, integerArray, normal, type RandomKey } from '@sd/core';
import type { Module } from '@sd/nn';
import type { Scheduler } from '@sd/schedulers';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Objective, TrainingTask } from '../../../training/task';
import type { ToyDenoiser } from './toy-denoiser';
import { toySignals } from './toy-signals';

export type ToyTaskOptions = {
  readonly denoiser: ToyDenoiser;
  readonly scheduler: Scheduler;
  readonly length: number;
  readonly batchSize: number;
  readonly key: RandomKey;
};

/** Trains the MLP of the 1-D example: L_DDPM on fresh signals at every step. */
export class ToyTask implements TrainingTask {
  readonly label = 'train the toy';
  readonly kind = 'toy';
  readonly identity: Readonly<Record<string, unknown>>;
  readonly modules: Readonly<Record<string, Module>>;
  readonly result: Module;

  constructor(private readonly options: ToyTaskOptions) {
    const { denoiser, length, key } = options;
    this.result = denoiser;
    this.modules = { model: denoiser };
    this.identity = { length, hidden: denoiser.input.config.outFeatures, seedKey: key.words };
  }

  async batch(draw: number): Promise<Readonly<Record<string, Tensor>>> {
    const { scheduler, length, batchSize } = this.options;
    const key = foldIn(foldIn(this.options.key, 'draw'), draw);
    const signals = toySignals(foldIn(key, 'signals'), batchSize, length);
    const times = [...integerArray(foldIn(key, 't'), batchSize, scheduler.alphasCumprod.length)];
    return tf.tidy(() => {
      const noise = normal(foldIn(key, 'noise'), [batchSize, length]);
      const x = scheduler.addNoise(tf.tensor2d(signals, [batchSize, length]), noise as Tensor2D, times);
      return { x, noise, t: tf.tensor1d(times, 'float32') };
    });
  }

  objective({ x, noise, t }: Readonly<Record<string, Tensor>>): Objective {
    const prediction = this.options.denoiser.forward(x as Tensor2D, t as Tensor1D);
    const diffusion: tf.Scalar = tf.mean(tf.square(tf.sub(prediction, noise)));
    return { loss: diffusion, parts: { diffusion } };
  }

  dispose(): void {
    this.options.denoiser.dispose();
  }
}
