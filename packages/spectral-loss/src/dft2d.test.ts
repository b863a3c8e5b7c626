import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { dft2d } from './dft2d';
import { idft2d } from './idft2d';
import type { FftNorm } from './norm';
import { goldenImages, noise } from './test-values';

const NORMS: readonly FftNorm[] = ['ortho', 'backward', 'forward'];

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  test.each(['8x8', '7x9', '32x16'])('dft2d matches torch.fft.fft2 at %s and leaves two tensors', async (size) => {
    const x = goldenImages(`fft/${size}/x`);
    const { re, im } = await expectTensors(2, () => dft2d(x, { norm: 'backward' }));
    await expect(re).toBeAllclose(goldenImages(`fft/${size}/re`));
    await expect(im).toBeAllclose(goldenImages(`fft/${size}/im`));
  });

  test.each(['8x8', '7x9', '32x16'])('idft2d matches torch.fft.ifft2 at %s and leaves two tensors', async (size) => {
    const spectrum = { re: goldenImages(`fft/${size}/re`), im: goldenImages(`fft/${size}/im`) };
    const { re, im } = await expectTensors(2, () => idft2d(spectrum, { norm: 'backward' }));
    await expect(re).toBeAllclose(goldenImages(`fft/${size}/x`));
    await expect(im).toBeAllclose(tf.zerosLike(im), { relative: 0, absolute: 1e-6 });
  });
});

describeBackends(['cpu', 'wasm'], () => {
  test('dft2d is orthonormal by default: power is kept (Parseval)', async () => {
    const x = noise(1, [2, 12, 7, 3]);
    const { re, im } = dft2d(x);
    const [power, energy] = [tf.add(tf.sum(tf.square(re)), tf.sum(tf.square(im))), tf.sum(tf.square(x))];
    await expect(power).toBeAllclose(energy);
  });

  test.each(NORMS)('idft2d inverts dft2d under %s, for complex signals too', async (norm) => {
    const signal = { re: noise(2, [2, 6, 5, 3]), im: noise(3, [2, 6, 5, 3]) };
    // The DFT of a complex signal from those of its parts.
    const [a, b] = [dft2d(signal.re, { norm }), dft2d(signal.im, { norm })];
    const spectrum = { re: tf.sub<Tensor4D>(a.re, b.im), im: tf.add<Tensor4D>(a.im, b.re) };
    const back = idft2d(spectrum, { norm });
    await expect(back.re).toBeAllclose(signal.re);
    await expect(back.im).toBeAllclose(signal.im);
  });

  test('a cosine has its power at its own frequency', async () => {
    const x = tf.tensor4d(
      Array.from({ length: 8 * 4 }, (_, i) => Math.cos((2 * Math.PI * 3 * Math.floor(i / 4)) / 8)),
      [1, 8, 4, 1],
    );
    const { re } = dft2d(x, { norm: 'forward' });
    const expected = new Float32Array(8 * 4);
    expected[3 * 4] = 0.5;
    expected[5 * 4] = 0.5;
    await expect(tf.reshape(re, [-1])).toBeAllclose(expected);
  });

  test('the gradients of dft2d and idft2d are those of finite differences', async () => {
    const [x, y] = [noise(4, [2, 4, 5, 2]), noise(5, [2, 4, 5, 2])];
    const both = ({ re, im }: { re: Tensor; im: Tensor }) => tf.concat([re, tf.mul(im, im)], 3);
    await expectGradient((a) => both(dft2d(a as Tensor4D)), x);
    await expectGradient((re, im) => both(idft2d({ re: re as Tensor4D, im: im as Tensor4D })), [x, y]);
  });

  test('dft2d differentiates twice', async () => {
    // d/dx sum (d/dx sum |F x|^2)^2 / 2 = d/dx sum (2 x)^2 / 2 = 4 x.
    const x = noise(6, [1, 4, 4, 1]);
    const power = (a: Tensor) => {
      const { re, im } = dft2d(a as Tensor4D);
      return tf.add(tf.square(re), tf.square(im));
    };
    const second = await expectTensors(1, () =>
      tf.tidy(() => tf.grad((a) => tf.div(tf.square(tf.grad(power)(a)), 2))(x)),
    );
    await expect(second).toBeAllclose(tf.mul(x, 4));
  });

  test('dft2d keeps its digits at 256 pixels', async () => {
    const x = noise(7, [1, 256, 2, 1]);
    const { re } = dft2d(x, { norm: 'backward' });
    const values = await tf.slice(x, [0, 0, 0, 0], [1, 256, 1, 1]).data<'float32'>();
    const others = await tf.slice(x, [0, 0, 1, 0], [1, 256, 1, 1]).data<'float32'>();
    const exact = Float64Array.from({ length: 256 }, (_, u) =>
      values.reduce((sum, v, h) => sum + (v + others[h]!) * Math.cos((2 * Math.PI * u * h) / 256), 0),
    );
    await expect(tf.reshape(tf.slice(re, [0, 0, 0, 0], [1, 256, 1, 1]), [-1])).toBeAllclose(exact);
  });
});

describe('errors', () => {
  const x = tf.zeros([1, 4, 4, 1]) as Tensor4D;
  test('of shape', () => {
    expect(() => dft2d(tf.zeros([4, 4, 1]) as unknown as Tensor4D)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: dft2d: x must be [N, H, W, C], got [4, 4, 1]]`,
    );
    expect(() => dft2d(tf.zeros([1, 0, 4, 1]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: dft2d: x must be [N, H, W, C] without an empty dimension, got [1, 0, 4, 1]]`,
    );
    expect(() => idft2d({ re: x, im: tf.zeros([1, 4, 5, 1]) })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: idft2d: im must be [1, 4, 4, 1], got [1, 4, 5, 1]]`,
    );
    expect(() => idft2d({ re: tf.zeros([4]) as unknown as Tensor4D, im: x })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: idft2d: re must be [N, H, W, C], got [4]]`,
    );
  });
  test('of norm', () => {
    expect(() => dft2d(x, { norm: 'orto' as FftNorm })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: dft2d: norm must be 'ortho', 'backward' or 'forward', got "orto"]`,
    );
    expect(() => idft2d({ re: x, im: x }, { norm: 'none' as FftNorm })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: idft2d: norm must be 'ortho', 'backward' or 'forward', got "none"]`,
    );
  });
  test('of a disposed tensor', () => {
    const gone = tf.zeros([1, 2, 2, 1]) as Tensor4D;
    gone.dispose();
    expect(() => dft2d(gone)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: dft2d: x must be a tensor that is not disposed, got [1, 2, 2, 1]]`,
    );
  });
});
