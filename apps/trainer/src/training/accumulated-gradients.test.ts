import { randomKey } from '@sd/core';
import { Linear } from '@sd/nn';
import { describeBackends, expectTensors } from '@sd/testing';
import type { Scalar, Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { accumulatedGradients, disposeGradients, drawsPerStep, microBatchSize } from './accumulated-gradients';
import { drawGradients } from './draw-gradients';
import { type Objective, type TrainingTask, taskParameters } from './task';

/** The mean squared error of a linear layer on examples that are functions of their position. */
class PositionTask implements TrainingTask {
  readonly label = 'positions';
  readonly kind = 'positions';
  readonly identity = {};
  readonly result = new Linear({ inFeatures: 2, outFeatures: 1 }).initialize(randomKey(3));
  readonly modules = { model: this.result };

  constructor(
    readonly size: number,
    readonly failsAt = Number.POSITIVE_INFINITY,
  ) {}

  async batch(draw: number): Promise<{ x: Tensor }> {
    if (draw === this.failsAt) throw new Error('no such example');
    const rows = Array.from({ length: this.size }, (_, i) => draw * this.size + i);
    return { x: tf.tensor2d(rows.map((position) => [Math.sin(position), Math.cos(2 * position)])) };
  }

  objective(batch: Readonly<Record<string, Tensor>>): Objective {
    const error = tf.mean(tf.square(tf.sub(this.result.forward(batch.x as Tensor2D), 1))) as Scalar;
    return { loss: tf.mul(error, 2) as Scalar, parts: { error } };
  }

  dispose(): void {
    this.result.dispose();
  }
}

const training = { batchSize: 12 } as Parameters<typeof drawsPerStep>[0];

test('a batch is one draw, or as many as make it up', () => {
  expect([microBatchSize(training), drawsPerStep(training)]).toEqual([12, 1]);
  const accumulated = { ...training, microBatchSize: 3 };
  expect([microBatchSize(accumulated), drawsPerStep(accumulated)]).toEqual([3, 4]);
});

describeBackends(['cpu', 'wasm'], () => {
  test('the gradients of small batches sum up to those of the large one', async () => {
    const [whole, parts] = [new PositionTask(12), new PositionTask(3)];
    const expected = await expectTensors(4, () =>
      accumulatedGradients(whole, 5, 1, drawGradients(whole, taskParameters(whole))),
    );
    const actual = await expectTensors(4, () =>
      accumulatedGradients(parts, 5, 4, drawGradients(parts, taskParameters(parts))),
    );
    await expect(actual.value).toBeAllclose(expected.value, 1e-5);
    await expect(actual.parts.error).toBeAllclose(expected.parts.error, 1e-5);
    expect([...actual.gradients.keys()]).toEqual(['model.weight', 'model.bias']);
    for (const [name, gradient] of actual.gradients) {
      await expect(gradient).toBeAllclose(expected.gradients.get(name) as Tensor, 1e-5);
    }
    disposeGradients(actual);
    disposeGradients(expected);
    whole.dispose();
    parts.dispose();
  });

  test('a draw that cannot be made leaves nothing behind', async () => {
    const task = new PositionTask(3, 21);
    const parameters = taskParameters(task);
    for (const parameter of parameters.values()) void parameter.value;
    await expect(
      expectTensors(0, () => accumulatedGradients(task, 5, 4, drawGradients(task, parameters))),
    ).rejects.toThrow('no such example');
    task.dispose();
  });
});
