import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { Linear, type LinearConfig } from './linear';
import { noise, ofParameters, parameterTensors, randomized } from './test-values';

const CONFIGS: readonly LinearConfig[] = [
  { inFeatures: 5, outFeatures: 3 },
  { inFeatures: 5, outFeatures: 3, bias: false },
  { inFeatures: 5, outFeatures: 3, weightShape: 'conv1d' },
];

describeBackends(['cpu', 'wasm'], () => {
  test.each(CONFIGS)('Linear is x W^T + b of a plain loop and leaves one tensor: %o', async (config) => {
    const layer = randomized(new Linear(config));
    const x = noise(1, [2, 4, 5]);
    const [values, weight] = [await x.data(), await layer.weight.read()]; // weight [out, in], PyTorch's
    const bias = layer.bias ? await layer.bias.read() : new Float32Array(3);
    const expected: number[] = [];
    for (let row = 0; row < 8; row++) {
      for (let o = 0; o < 3; o++) {
        let sum = bias[o];
        for (let i = 0; i < 5; i++) sum += values[row * 5 + i] * weight[o * 5 + i];
        expected.push(sum);
      }
    }
    const y = await expectTensors(1, () => layer.forward(x));
    expect(y.shape).toEqual([2, 4, 3]);
    await expect(y).toBeAllclose(expected);
  });

  test.each(CONFIGS)('the gradients of Linear are those of finite differences: %o', async (config) => {
    const layer = randomized(new Linear(config));
    const forward = ofParameters(layer, (x) => layer.forward(x));
    const inputs = [noise(2, [2, 4, 5]), ...parameterTensors(layer)];
    const dy = noise(3, [2, 4, 3]);
    await expectTensors(inputs.length, () => tf.grads(forward)(inputs, dy));
    await expectGradient(forward, inputs);
  });

  test('Linear takes a vector', async () => {
    const layer = randomized(new Linear({ inFeatures: 5, outFeatures: 3 }));
    const x = noise(4, [5]);
    const y = layer.forward(x);
    expect(y.shape).toEqual([3]);
    await expect(y).toBeAllclose(tf.reshape(layer.forward(tf.reshape(x, [1, 5])), [3]), 0);
  });
});

test('Linear counts its parameters and multiply-accumulates', () => {
  const layer = new Linear({ inFeatures: 5, outFeatures: 3 });
  expect([layer.parameterCount, layer.macs(), layer.macs(7)]).toEqual([18, 15, 105]);
});

describe('errors', () => {
  test('of shape, of a disposed input, of the configuration', () => {
    const layer = new Linear({ inFeatures: 5, outFeatures: 3 });
    expect(() => layer.forward(tf.zeros([2, 4]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: Linear: x must be [..., 5], got [2, 4]]`,
    );
    const gone = tf.zeros([2, 5]);
    gone.dispose();
    expect(() => layer.forward(gone)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Linear: x must be a tensor that is not disposed, got [2, 5]]`,
    );
    expect(() => new Linear({ inFeatures: 0, outFeatures: 3 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Linear: inFeatures must be an integer >= 1, got 0]`,
    );
    expect(() => new Linear({ inFeatures: 5, outFeatures: 0.5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Linear: outFeatures must be an integer >= 1, got 0.5]`,
    );
  });
});
