import { Linear } from '@sd/nn';
import type { Scalar, Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { TrainingConfig } from '../config/schema';
import type { Objective, TrainingTask } from './task';

/** For tests: fits y = 2 x - 1 with one weight and one bias. */
export class LineTask implements TrainingTask {
  readonly label = 'line';
  readonly kind = 'line';
  readonly identity = { line: 1 };
  readonly result = new Linear({ inFeatures: 1, outFeatures: 1 });
  readonly modules = { model: this.result };
  /** Multiplies the loss of a step. */
  readonly factor: (step: number) => number;
  /** Tensors that each step forgets. */
  readonly forgotten: number;

  constructor({ factor = () => 1, forgotten = 0 }: { factor?: (step: number) => number; forgotten?: number } = {}) {
    this.factor = factor;
    this.forgotten = forgotten;
  }

  async batch(step: number): Promise<{ x: Tensor }> {
    for (let i = 0; i < this.forgotten; i++) tf.zeros([1]);
    return { x: tf.tensor2d([step % 3, (step + 1) % 3], [2, 1]) };
  }

  objective(batch: Readonly<Record<string, Tensor>>, step: number): Objective {
    const target = tf.sub(tf.mul(batch.x, 2), 1);
    const error = tf.mean(tf.square(tf.sub(this.result.forward(batch.x as Tensor2D), target)));
    return { loss: tf.mul(error, this.factor(step)) as Scalar, parts: { error: error as Scalar } };
  }

  dispose(): void {
    this.result.dispose();
  }
}

/** Its training. */
export const LINE_TRAINING: TrainingConfig = {
  steps: 200,
  batchSize: 2,
  learningRate: 0.1,
  weightDecay: 0,
  betas: [0.9, 0.999],
  warmupSteps: 5,
  maxGradientNorm: 10,
  emaDecay: 0.5,
  checkpointEvery: 50,
  keepCheckpoints: 1,
  keepBest: false,
  onBadLoss: 'stop',
};
