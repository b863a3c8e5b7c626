import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { Conv2d, type Conv2dConfig } from './conv2d';
import { noise, ofParameters, parameterTensors, randomized } from './test-values';

const CONFIGS: readonly Conv2dConfig[] = [
  { inChannels: 3, outChannels: 4, kernel: 1 },
  { inChannels: 3, outChannels: 4, kernel: 3, pad: 1, bias: false },
  { inChannels: 3, outChannels: 4, kernel: 3, stride: 2, pad: 1 }, // LDM's UNet
  { inChannels: 3, outChannels: 4, kernel: 3, stride: 2, pad: { top: 0, bottom: 1, left: 0, right: 1 } }, // its autoencoder
  { inChannels: 2, outChannels: 1, kernel: 4, stride: 3, pad: { top: 2, bottom: 0, left: 1, right: 3 } },
];

const SIZE = [2, 6, 7] as const;

/** y[n, h, w, o] = b[o] + sum of x[n, h s + i - top, w s + j - left, c] weight[o, c, i, j], outside x zero. */
async function plain(layer: Conv2d, x: Tensor4D) {
  const { inChannels, outChannels, kernel, stride = 1, pad = 0 } = layer.config;
  const { top, left, bottom, right } = typeof pad === 'number' ? { top: pad, left: pad, bottom: pad, right: pad } : pad;
  const [samples, height, width] = x.shape;
  const [values, weight] = [await x.data(), await layer.weight.read()];
  const bias = layer.bias ? await layer.bias.read() : new Float32Array(outChannels);
  const outHeight = Math.floor((height + top + bottom - kernel) / stride) + 1;
  const outWidth = Math.floor((width + left + right - kernel) / stride) + 1;
  const y: number[] = [];
  for (let n = 0; n < samples; n++)
    for (let h = 0; h < outHeight; h++)
      for (let w = 0; w < outWidth; w++)
        for (let o = 0; o < outChannels; o++) {
          let sum = bias[o];
          for (let i = 0; i < kernel; i++)
            for (let j = 0; j < kernel; j++) {
              const [row, column] = [h * stride + i - top, w * stride + j - left];
              if (row < 0 || row >= height || column < 0 || column >= width) continue;
              for (let c = 0; c < inChannels; c++) {
                const filter = weight[((o * inChannels + c) * kernel + i) * kernel + j];
                sum += values[((n * height + row) * width + column) * inChannels + c] * filter;
              }
            }
          y.push(sum);
        }
  return { y, shape: [samples, outHeight, outWidth, outChannels] };
}

describeBackends(['cpu', 'wasm'], () => {
  test.each(CONFIGS)('Conv2d is that of a plain loop and leaves one tensor: %o', async (config) => {
    const layer = randomized(new Conv2d(config));
    const x = noise<tf.Rank.R4>(1, [...SIZE, config.inChannels]);
    const expected = await plain(layer, x);
    const y = await expectTensors(1, () => layer.forward(x));
    expect(y.shape).toEqual(expected.shape);
    expect(layer.outputSize(SIZE[1], SIZE[2])).toEqual(expected.shape.slice(1, 3));
    await expect(y).toBeAllclose(expected.y);
  });

  test.each(CONFIGS)('the gradients of Conv2d are those of finite differences: %o', async (config) => {
    const layer = randomized(new Conv2d(config));
    const forward = ofParameters(layer, (x) => layer.forward(x as Tensor4D));
    const inputs = [noise(2, [...SIZE, config.inChannels]), ...parameterTensors(layer)];
    const dy = noise(3, layer.forward(inputs[0] as Tensor4D).shape);
    await expectTensors(inputs.length, () => tf.grads(forward)(inputs, dy));
    await expectGradient(forward, inputs);
  });
});

test('Conv2d counts its parameters and multiply-accumulates', () => {
  const layer = new Conv2d({ inChannels: 3, outChannels: 8, kernel: 3, stride: 2, pad: 1 });
  expect(layer.parameterCount).toBe(8 * 3 * 9 + 8);
  expect(layer.macs(8, 6)).toBe(4 * 3 * 8 * 3 * 9);
});

describe('errors', () => {
  const layer = new Conv2d({ inChannels: 3, outChannels: 4, kernel: 3 });

  test('of shape', () => {
    expect(() => layer.forward(tf.zeros([1, 8, 8, 4]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: Conv2d: x must be [N, H, W, 3], got [1, 8, 8, 4]]`,
    );
    expect(() => layer.forward(tf.zeros([1, 2, 8, 3]))).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Conv2d: input size must be at least the 3x3 filter, got [2, 8]]`,
    );
    expect(() => layer.outputSize(8, 1)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Conv2d: input size must be at least the 3x3 filter, got [8, 1]]`,
    );
  });

  test('of the configuration', () => {
    const good = { inChannels: 3, outChannels: 4, kernel: 3 };
    expect(() => new Conv2d({ ...good, inChannels: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Conv2d: inChannels must be an integer >= 1, got 0]`,
    );
    expect(() => new Conv2d({ ...good, outChannels: -1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Conv2d: outChannels must be an integer >= 1, got -1]`,
    );
    expect(() => new Conv2d({ ...good, kernel: 2.5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Conv2d: kernel must be an integer >= 1, got 2.5]`,
    );
    expect(() => new Conv2d({ ...good, stride: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Conv2d: stride must be an integer >= 1, got 0]`,
    );
    expect(() => new Conv2d({ ...good, pad: -1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Conv2d: pad top must be an integer >= 0, got -1]`,
    );
    const pad = { top: 0, bottom: 0, left: 0, right: 0.5 };
    expect(() => new Conv2d({ ...good, pad })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Conv2d: pad right must be an integer >= 0, got 0.5]`,
    );
  });
});
