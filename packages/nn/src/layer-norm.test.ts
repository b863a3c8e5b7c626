import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { LayerNorm, type LayerNormConfig } from './layer-norm';
import { noise, ofParameters, parameterTensors, randomized } from './test-values';

describeBackends(['cpu', 'wasm'], () => {
  test.each<LayerNormConfig>([{ features: 6 }, { features: 6, eps: 0.3 }])(
    'LayerNorm is that of a plain loop and leaves one tensor: %o',
    async (config) => {
      const layer = randomized(new LayerNorm(config));
      const x = noise(1, [2, 3, 6], 2, 1);
      const [values, weight, bias] = [await x.data(), await layer.weight.read(), await layer.bias.read()];
      const expected: number[] = [];
      for (let row = 0; row < 6; row++) {
        const of = Array.from(values.subarray(row * 6, row * 6 + 6));
        const mean = of.reduce((sum, v) => sum + v) / 6;
        const variance = of.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 6;
        expected.push(
          ...of.map((v, i) => ((v - mean) / Math.sqrt(variance + (config.eps ?? 1e-5))) * weight[i] + bias[i]),
        );
      }
      const y = await expectTensors(1, () => layer.forward(x));
      expect(y.shape).toEqual([2, 3, 6]);
      await expect(y).toBeAllclose(expected);
    },
  );

  test('the gradients of LayerNorm for x, weight and bias are those of finite differences', async () => {
    const layer = randomized(new LayerNorm({ features: 6 }));
    const forward = ofParameters(layer, (x) => layer.forward(x));
    const inputs = [noise(2, [2, 3, 6], 2, 1), ...parameterTensors(layer)];
    const dy = noise(3, [2, 3, 6]);
    await expectTensors(3, () => tf.grads(forward)(inputs, dy));
    await expectGradient(forward, inputs);
  });
});

describe('errors', () => {
  test('of shape, of a disposed input, of the configuration', () => {
    const layer = new LayerNorm({ features: 6 });
    expect(() => layer.forward(tf.zeros([2, 5]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: LayerNorm: x must be [..., 6], got [2, 5]]`,
    );
    const gone = tf.zeros([2, 6]);
    gone.dispose();
    expect(() => layer.forward(gone)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: LayerNorm: x must be a tensor that is not disposed, got [2, 6]]`,
    );
    expect(() => new LayerNorm({ features: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: LayerNorm: features must be an integer >= 1, got 0]`,
    );
  });
});
