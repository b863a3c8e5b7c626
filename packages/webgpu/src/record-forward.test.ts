import { useBackend } from '@sd/backend';
import { normal, randomKey } from '@sd/core';
import { silu } from '@sd/nn';
import { countDispatches, describeBackends, expectTensors } from '@sd/testing';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { recordForward, registerWebGPUKernels } from './index';

const random = (seed: number, shape: number[]): Tensor => normal(randomKey(seed), shape as [number]);

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  test('a replay gives what the pass gives, on any inputs, whatever runs between', async () => {
    const weights = random(1, [3, 3, 4, 4]) as Tensor4D;
    const pass = (x: Tensor, shift: Tensor) => {
      const h = silu(tf.add(tf.conv2d(x as Tensor4D, weights, 1, 'same'), shift));
      const half = tf.mul(tf.add(h, tf.tensor1d([1, 2, 3, 4])), 0.5); // constants that the CPU uploads while recording
      return [half, tf.add(tf.conv2d(half as Tensor4D, weights, 1, 'same'), x)];
    };
    const shapes = [
      [2, 5, 6, 4],
      [2, 1, 1, 4],
    ];
    const first = shapes.map((shape) => tf.zeros(shape));
    const recorded = await expectTensors(0, () => recordForward(pass, first));
    for (const seed of [10, 20, 30]) {
      const inputs = shapes.map((shape, i) => random(seed + i, shape));
      const expected = pass(...(inputs as [Tensor, Tensor]));
      // other work gets free memory of the same sizes, and keeps what it puts there
      const others = [1, 2, 3, 4].map(() => tf.fill([2, 5, 6, 4], Number.NaN));
      const actual = await expectTensors(2, () => recorded.replay(inputs));
      for (const [i, tensor] of actual.entries()) await expect(tensor).toBeAllclose(expected[i]!, 0);
      for (const other of others) expect((await other.data()).every(Number.isNaN)).toBe(true);
      tf.dispose([inputs, expected, actual, others]);
    }
    const inputs = shapes.map((shape) => tf.zeros(shape));
    expect(await countDispatches(() => tf.dispose(recorded.replay(inputs)))).toBe(recorded.dispatches);
    recorded.dispose();
    recorded.dispose(); // again does nothing
  });

  test('a constant has memory of its own, also where memory of its size was free', async () => {
    const pass = (x: Tensor) => {
      let y = x;
      // a scalar of the pass, freed, then one of the CPU, again and again
      for (const factor of [0.5, 3, 0.25, 2]) {
        const centred = tf.tidy(() => tf.sub(y, tf.mean(y)));
        y = tf.tidy(() => tf.add(tf.mul(centred, factor), 1));
      }
      return y;
    };
    const first = tf.zeros([6]);
    const recorded = recordForward((x) => tf.tidy(() => pass(x)), [first]);
    for (const seed of [1, 2, 3]) {
      const x = random(seed, [6]);
      const [expected, [actual]] = [tf.tidy(() => pass(x)), recorded.replay([x])];
      await expect(actual!).toBeAllclose(expected, 0);
      tf.dispose([x, expected, actual!]);
    }
    recorded.dispose();
    first.dispose();
  });

  test('weights stay those of the recording after they change or are disposed', async () => {
    const weight = tf.variable(tf.tensor1d([1, 2]));
    const recorded = recordForward((x) => tf.mul(x, weight as Tensor), [tf.zeros([2])]);
    weight.assign(tf.tensor1d([5, 5]));
    weight.dispose();
    tf.dispose([1, 2, 3].map(() => tf.fill([2], 9))); // would take the memory that the weights had
    const [y] = recorded.replay([tf.tensor1d([3, 4])]);
    await expect(y!).toBeAllclose([3, 8]);
    recorded.dispose();
  });

  test('errors name what is wrong', async () => {
    const recorded = recordForward((x) => tf.neg(x), [tf.zeros([2])]);
    expect(() => recorded.replay([tf.zeros([3])])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: RecordedForward.replay: inputs[0] must be [2], got [3]]`,
    );
    expect(() => recorded.replay([])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: RecordedForward.replay: inputs must be as many as were recorded, 1, got 0]`,
    );
    recorded.dispose();
    expect(() => recorded.replay([tf.zeros([2])])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: RecordedForward.replay: recording must be alive, got "disposed"]`,
    );
    expect(() => recordForward((x) => tf.neg(x), [tf.zeros([2], 'int32')])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: recordForward: inputs[0] must be float32, got "int32"]`,
    );
    await useBackend('cpu');
    expect(() => recordForward((x) => tf.neg(x), [tf.zeros([2])])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: recordForward: backend must be webgpu, got "cpu"]`,
    );
    await useBackend('webgpu', { allowSoftware: true });
  });
});
