import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { Conv2d } from './conv2d';
import { noise } from './test-values';
import { upsampledConv2d } from './upsampled-conv2d';

const convolve = (...[x, filter, bias]: Tensor[]) =>
  upsampledConv2d(x as Tensor4D, filter as Tensor4D, bias as Tensor1D | undefined);

/** y[n, h, w, o] = b[o] + sum of x[n, (h + i - 1) / 2, (w + j - 1) / 2, c] filter[i, j, c, o], rounded down, outside zero. */
async function plain(x: Tensor4D, filter: Tensor4D, bias: Tensor1D) {
  const [samples, height, width, inC] = x.shape;
  const outC = filter.shape[3];
  const [image, weights, shifts] = await Promise.all([x.data(), filter.data(), bias.data()]);
  const y: number[] = [];
  for (let n = 0; n < samples; n++)
    for (let h = 0; h < 2 * height; h++)
      for (let w = 0; w < 2 * width; w++)
        for (let o = 0; o < outC; o++) {
          let sum = shifts[o] as number;
          for (let i = 0; i < 3; i++)
            for (let j = 0; j < 3; j++) {
              const [row, column] = [Math.floor((h + i - 1) / 2), Math.floor((w + j - 1) / 2)];
              if (row < 0 || row >= height || column < 0 || column >= width) continue;
              for (let c = 0; c < inC; c++) {
                const value = image[((n * height + row) * width + column) * inC + c] as number;
                sum += value * (weights[((i * 3 + j) * inC + c) * outC + o] as number);
              }
            }
          y.push(sum);
        }
  return y;
}

describeBackends(['cpu', 'wasm'], () => {
  const inputs = () => [noise(1, [2, 3, 5, 3]), noise(2, [3, 3, 3, 4]), noise(3, [4])];

  test('upsampledConv2d is that of a plain loop and leaves one tensor', async () => {
    const [x, filter, bias] = inputs() as [Tensor4D, Tensor4D, Tensor1D];
    const y = await expectTensors(1, () => upsampledConv2d(x, filter, bias));
    expect(y.shape).toEqual([2, 6, 10, 4]);
    await expect(y).toBeAllclose(await plain(x, filter, bias));
    await expect(upsampledConv2d(x, filter)).toBeAllclose(await plain(x, filter, tf.zeros([4])));
  });

  test('its gradients are those of finite differences', async () => {
    const all = inputs();
    const dy = noise(4, [2, 6, 10, 4]);
    await expectTensors(3, () => tf.grads(convolve)(all, dy));
    await expectGradient(convolve, all);
    await expectGradient(convolve, all.slice(0, 2));
  });

  test('the backward pass keeps no upsampled image', () => {
    const [x, filter, bias] = inputs();
    let kept = 0;
    const loss = (...args: Tensor[]) => {
      const before = tf.memory().numBytes;
      const y = tf.tidy(() => convolve(...args));
      kept = tf.memory().numBytes - before;
      return tf.sum(y);
    };
    tf.dispose(tf.grads(loss)([x, filter, bias] as Tensor[]));
    const values = 2 * 6 * 10 * 4 + 2 * 3 * 5 * 3 + 3 * 3 * 3 * 4; // the result, x and the filter
    expect(kept).toBe(4 * values);
  });

  test('Conv2d.forwardUpsampled is upsampledConv2d by its weights', async () => {
    for (const bias of [true, false]) {
      const layer = new Conv2d({ inChannels: 3, outChannels: 4, kernel: 3, pad: 1, bias });
      const x = noise<tf.Rank.R4>(5, [1, 2, 3, 3]);
      const expected = convolve(...([x, layer.weight.value, layer.bias?.value].filter(Boolean) as Tensor[]));
      const y = await expectTensors(1, () => layer.forwardUpsampled(x));
      await expect(y).toBeAllclose(expected, 0);
    }
  });
});

describe('errors', () => {
  test('of shape', () => {
    const [x, filter] = [tf.zeros([1, 4, 4, 3]), tf.zeros([3, 3, 3, 2])] as [Tensor4D, Tensor4D];
    expect(() => upsampledConv2d(tf.zeros([4, 4, 3]) as Tensor as Tensor4D, filter)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: upsampledConv2d: x must be [N, H, W, C], got [4, 4, 3]]`,
    );
    expect(() => upsampledConv2d(x, tf.zeros([3, 3, 4, 2]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: upsampledConv2d: filter must be [3, 3, 3, outC], got [3, 3, 4, 2]]`,
    );
    expect(() => upsampledConv2d(x, tf.zeros([1, 1, 3, 2]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: upsampledConv2d: filter must be [3, 3, 3, outC], got [1, 1, 3, 2]]`,
    );
    expect(() => upsampledConv2d(x, filter, tf.zeros([3]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: upsampledConv2d: bias must be [2], got [3]]`,
    );
    const layer = new Conv2d({ inChannels: 3, outChannels: 4, kernel: 3, pad: 1 });
    expect(() => layer.forwardUpsampled(tf.zeros([1, 4, 4, 5]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: Conv2d: x must be [N, H, W, 3], got [1, 4, 4, 5]]`,
    );
  });

  test.each([{ kernel: 1 }, { kernel: 3 }, { kernel: 3, pad: 1, stride: 2 }])('of the layer: %o', (config) => {
    const layer = new Conv2d({ inChannels: 3, outChannels: 4, ...config });
    const said = 'Conv2d.forwardUpsampled: kernel, stride, paddings must be 3, 1, all 1, got [';
    expect(() => layer.forwardUpsampled(tf.zeros([1, 4, 4, 3]))).toThrow(said);
  });
});
