import { useBackend } from '@sd/backend';
import { normal, randomKey } from '@sd/core';
import { Linear, valueAndGradients } from '@sd/nn';
import { AdamW } from '@sd/nn/optim';
import { countDispatches, describeBackends, expectTensors } from '@sd/testing';
import type { Scalar, Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { recordForward, registerWebGPUKernels, replayed } from './index';

const random = (seed: number, shape: number[]): Tensor => normal(randomKey(seed), shape as [number]);

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  test('training by replayed gradients is training by gradients', async () => {
    const train = async (isReplayed: boolean) => {
      const layer = new Linear({ inFeatures: 5, outFeatures: 3 }).initialize(randomKey(1));
      const optimizer = new AdamW(layer.parameters(), { learningRate: 0.1 });
      const gradientsOf = (x: Tensor, target: Tensor): Tensor[] => {
        const { value, gradients } = valueAndGradients(
          () => tf.mean(tf.square(tf.sub(layer.forward(x as Tensor2D), target))) as Scalar,
          layer.parameters(),
        );
        return [value, ...gradients.values()];
      };
      const weights = () => [...layer.parameters().values()].map(({ value }) => value as Tensor);
      const pass = replayed(gradientsOf, { weights });
      const names = [...layer.parameters().keys()];
      const losses: number[] = [];
      for (let step = 0; step < 5; step++) {
        const batch = [random(10 + step, [4, 5]), random(20 + step, [4, 3])] as [Tensor, Tensor];
        const [value, ...gradients] = await expectTensors(3, () => (isReplayed ? pass : gradientsOf)(...batch));
        optimizer.update(new Map(names.map((name, i) => [name, gradients[i] as Tensor])));
        losses.push((await value!.data())[0] as number);
        tf.dispose([batch, value!, gradients]);
      }
      const trained = await (layer.weight.value as Tensor).array();
      pass.dispose();
      optimizer.dispose();
      layer.dispose();
      return { losses, trained };
    };
    const plain = await train(false);
    expect(new Set(plain.losses).size).toBe(5);
    expect(await expectTensors(0, () => train(true))).toEqual(plain);
  });

  test('a pass is recorded at its second call, again after its weights were replaced, and once for each shape', async () => {
    let calls = 0;
    const weight = tf.variable(tf.tensor1d([1, 2]));
    const twice = replayed(
      (x) => {
        calls++;
        return [tf.mul(x, weight as Tensor)];
      },
      { weights: () => [weight] },
    );
    const of = async (values: number[], shape = [2]) => {
      const x = tf.tensor(values, shape);
      const [y] = twice(x);
      const read = [...(await y!.data())];
      tf.dispose([x, y!]);
      return read;
    };
    expect(await of([3, 4])).toEqual([3, 8]);
    expect(calls).toBe(1);
    expect(await of([5, 6])).toEqual([5, 12]);
    const recorded = calls;
    expect(await of([7, 8])).toEqual([7, 16]);
    expect(calls).toBe(recorded);
    weight.assign(tf.tensor1d([10, 10]));
    expect(await of([1, 2])).toEqual([10, 20]);
    expect(calls).toBeGreaterThan(recorded);
    expect(await of([1, 2, 3, 4], [2, 2])).toEqual([10, 20, 30, 40]);
    expect(await of([1, 2])).toEqual([10, 20]);
    twice.dispose();
    weight.dispose();
  });

  test('live weights that were disposed are an error, and dispatches are those of the pass', async () => {
    const weight = tf.tensor1d([1, 2]);
    const recorded = recordForward((x) => tf.mul(x, weight), [tf.zeros([2])], { weights: 'live' });
    expect(recorded.isCurrent()).toBe(true);
    const x = tf.zeros([2]);
    expect(await countDispatches(() => tf.dispose(recorded.replay([x])))).toBe(recorded.dispatches);
    weight.dispose();
    expect(recorded.isCurrent()).toBe(false);
    expect(() => recorded.replay([x])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: RecordedForward.replay: weights must be where they were recorded, got "replaced or disposed"]`,
    );
    recorded.dispose();
  });
});

describe('on another backend', () => {
  test('a replayed function is the function', async () => {
    await useBackend('cpu');
    const neg = replayed((x) => [tf.neg(x)], { weights: () => [] });
    const x = tf.tensor1d([1, 2]);
    for (let i = 0; i < 3; i++) {
      const [y] = await expectTensors(1, () => neg(x));
      await expect(y!).toBeAllclose([-1, -2], 0);
      y!.dispose();
    }
    neg.dispose();
    x.dispose();
  });
});
