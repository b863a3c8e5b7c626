import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { dft2d } from './dft2d';
import { luma } from './luma';
import type { FftNorm } from './norm';
import { resize2d } from './resize2d';
import { type ChannelReduction, spectralWeight } from './spectral-weight';
import { goldenImages, noise } from './test-values';

const size = [16, 16] as const;

async function magnitude(x: Tensor4D, norm: FftNorm): Promise<tf.Tensor> {
  const { re, im } = dft2d(x, { norm });
  return tf.sqrt(tf.add(tf.square(re), tf.square(im)));
}

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  test('the resized image, and magnitudes of it and of a difference, match torch', async () => {
    const x = resize2d(goldenImages('sa/x0'), { size });
    await expect(x).toBeAllclose(goldenImages('sa/x0_resized'));
    await expect(await magnitude(x, 'ortho')).toBeAllclose(goldenImages('sa/absX0_ortho'));
    await expect(await magnitude(x, 'backward')).toBeAllclose(goldenImages('sa/absX0_backward'));
    const difference = tf.sub(goldenImages('sa/teacher'), goldenImages('sa/student')) as Tensor4D;
    await expect(await magnitude(difference, 'ortho')).toBeAllclose(goldenImages('sa/absD_ortho'));
    await expect(await magnitude(difference, 'backward')).toBeAllclose(goldenImages('sa/absD_backward'));
  });

  test('spectralWeight matches torch, scaled to mean 1 and not, and leaves one tensor', async () => {
    const x0 = goldenImages('sa/x0');
    const weight = await expectTensors(1, () => spectralWeight(x0, { size, normalize: false }));
    await expect(weight).toBeAllclose(goldenImages('sa/weight'));
    await expect(spectralWeight(x0, { size })).toBeAllclose(goldenImages('sa/weight_normalised'));
  });
});

describeBackends(['cpu', 'wasm'], () => {
  test('its size is by default that of x0, its mean 1 in each sample', async () => {
    const weight = spectralWeight(noise(1, [3, 6, 5, 2]), { alpha: -1.5 });
    expect(weight.shape).toEqual([3, 6, 5, 1]);
    await expect(tf.mean(weight, [1, 2, 3])).toBeAllclose([1, 1, 1]);
  });

  test('alpha 0 weights all frequencies alike; alpha 1 is the inverse of alpha -1', async () => {
    const x0 = noise(2, [2, 8, 8, 3]);
    await expect(spectralWeight(x0, { alpha: 0 })).toBeAllclose(tf.ones([2, 8, 8, 1]));
    const [up, down] = [1, -1].map((alpha) => spectralWeight(x0, { alpha, normalize: false }));
    await expect(tf.mul(up!, down!)).toBeAllclose(tf.ones([2, 8, 8, 1]));
  });

  test('norm changes the scale alone, which epsilon and normalize see', async () => {
    const x0 = noise(3, [1, 4, 8, 1]);
    const ortho = spectralWeight(x0, { normalize: false, epsilon: 0 });
    const backward = spectralWeight(x0, { normalize: false, epsilon: 0, norm: 'backward' });
    await expect(tf.mul(backward, Math.sqrt(4 * 8))).toBeAllclose(ortho);
  });

  test('channels says how they are joined', async () => {
    const x0 = noise(4, [2, 4, 6, 3]);
    const magnitudes = await magnitude(x0, 'ortho');
    const options = { alpha: 1, epsilon: 0, normalize: false } as const;
    const of = (channels: ChannelReduction) => spectralWeight(x0, { ...options, channels });
    await expect(of('none')).toBeAllclose(magnitudes);
    await expect(of('mean')).toBeAllclose(tf.mean(magnitudes, 3, true));
    await expect(of('rms')).toBeAllclose(tf.sqrt(tf.mean(tf.square(magnitudes), 3, true)));
    await expect(of('luma')).toBeAllclose(await magnitude(luma(x0), 'ortho'));
    await expect(tf.mean(spectralWeight(x0, { channels: 'none' }), [1, 2])).toBeAllclose(tf.ones([2, 3]));
  });

  test('an image of nothing but its mean gives finite weights', async () => {
    const weight = spectralWeight(tf.zeros([1, 4, 4, 3]));
    await expect(weight).toBeAllclose(tf.ones([1, 4, 4, 1]));
  });

  test('no gradient flows to x0', async () => {
    const x0 = noise(5, [1, 4, 4, 3]);
    const gradient = await expectTensors(1, () => tf.grad((x) => spectralWeight(x as Tensor4D))(x0));
    await expect(gradient).toBeAllclose(tf.zerosLike(x0));
  });
});

describe('errors', () => {
  const x0 = tf.zeros([1, 4, 4, 2]) as Tensor4D;
  test('of shape', () => {
    expect(() => spectralWeight(tf.zeros([4, 4, 1]) as unknown as Tensor4D)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: spectralWeight: x0 must be [N, H, W, C], got [4, 4, 1]]`,
    );
    expect(() => spectralWeight(x0, { channels: 'luma' })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: spectralWeight: x0 must be [N, H, W, 3] or [N, H, W, 1] for channels 'luma', got [1, 4, 4, 2]]`,
    );
  });
  test('of options', () => {
    expect(() => spectralWeight(x0, { alpha: Number.NaN })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: spectralWeight: alpha must be a number in [-10, 10], got NaN]`,
    );
    expect(() => spectralWeight(x0, { epsilon: -1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: spectralWeight: epsilon must be a number in [0, Infinity], got -1]`,
    );
    expect(() => spectralWeight(x0, { norm: 'x' as FftNorm })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: spectralWeight: norm must be 'ortho', 'backward' or 'forward', got "x"]`,
    );
    expect(() => spectralWeight(x0, { channels: 'max' as ChannelReduction })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: spectralWeight: channels must be one of mean, rms, luma, none, got "max"]`,
    );
    expect(() => spectralWeight(x0, { size: [0, 4] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: resize2d: size[0] must be an integer >= 1, got 0]`,
    );
  });
});
