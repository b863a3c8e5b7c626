import { foldIn, normalArray, randomKey } from '@sd/core';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { DiagonalGaussian } from './diagonal-gaussian';

const moments = () => tf.tensor4d([0.5, -1, 0.3, -2, 1.5, 0, -0.7, 0.1], [2, 1, 1, 4]); // means 0.5 -1, 1.5 0

describeBackends(['cpu', 'wasm'], () => {
  test('the first half of the channels is the mean, the second the log-variance, clamped to [-30, 20]', async () => {
    const x = tf.tensor4d([1, 2, -40, 25], [1, 1, 1, 4]);
    const posterior = await expectTensors(2, () => DiagonalGaussian.fromMoments(x));
    await expect(posterior.mean).toBeAllclose([1, 2]);
    await expect(posterior.logvar).toBeAllclose([-30, 20]);
    await expectTensors(-2, () => posterior.dispose());
  });

  test('the divergence is that of the closed form in float64', async () => {
    const posterior = DiagonalGaussian.fromMoments(moments());
    const kl = (mean: number, logvar: number) => 0.5 * (mean ** 2 + Math.exp(logvar) - 1 - logvar);
    const expected = [kl(0.5, 0.3) + kl(-1, -2), kl(1.5, -0.7) + kl(0, 0.1)];
    await expect(await expectTensors(1, () => posterior.kl())).toBeAllclose(expected);
  });

  test('the divergence is the mean of log q - log p over its samples', async () => {
    const posterior = DiagonalGaussian.fromMoments(moments());
    const kl = await posterior.kl().data();
    const [mean, logvar] = [await posterior.mean.data(), await posterior.logvar.data()];
    const draws = 20_000;
    for (const sample of [0, 1]) {
      let sum = 0;
      for (const c of [2 * sample, 2 * sample + 1]) {
        const noise = normalArray(foldIn(randomKey(5), c), draws);
        for (const e of noise) {
          const z = mean[c] + Math.exp(logvar[c] / 2) * e;
          sum += (z ** 2 - e ** 2 - logvar[c]) / 2;
        }
      }
      expect(Math.abs(sum / draws - kl[sample])).toBeLessThan(0.05);
    }
  });

  test('samples have the mean and deviation, and are the same for the same key', async () => {
    const [mean, logvar] = [2, Math.log(9)];
    const shape: [number, number, number, number] = [4, 32, 32, 1];
    const posterior = new DiagonalGaussian(tf.fill(shape, mean), tf.fill(shape, logvar));
    const z = await expectTensors(1, () => posterior.sample(randomKey(1)));
    const { mean: m, variance } = tf.moments(z);
    expect(Math.abs((await m.data())[0] - 2)).toBeLessThan(0.2);
    expect(Math.abs((await variance.data())[0] - 9)).toBeLessThan(0.6);
    await expect(posterior.sample(randomKey(1))).toBeAllclose(z, 0);
    await expect(posterior.sample(randomKey(2))).not.toBeAllclose(z);
  });

  test('a sample of one key is the mean plus the deviation times a fixed noise', async () => {
    const standard = new DiagonalGaussian(tf.zeros([2, 1, 1, 2]), tf.zeros([2, 1, 1, 2]));
    const posterior = DiagonalGaussian.fromMoments(moments());
    const noise = standard.sample(randomKey(7));
    const expected = tf.add(posterior.mean, tf.mul(tf.exp(tf.div(posterior.logvar, 2)), noise));
    await expect(posterior.sample(randomKey(7))).toBeAllclose(expected);
    await expect(await expectTensors(1, () => posterior.mode())).toBeAllclose(posterior.mean, 0);
  });

  test('divergence and sample have the gradients of finite differences', async () => {
    await expectGradient((x) => DiagonalGaussian.fromMoments(x as tf.Tensor4D).kl(), moments());
    await expectGradient((x) => DiagonalGaussian.fromMoments(x as tf.Tensor4D).sample(randomKey(1)), moments());
  });
});

test('refuses moments that cannot be halved and parts of other shapes', () => {
  const odd = tf.zeros([1, 2, 2, 3]) as tf.Tensor4D;
  expect(() => DiagonalGaussian.fromMoments(odd)).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: DiagonalGaussian.fromMoments: moments must be [N, h, w, even], got [1, 2, 2, 3]]`,
  );
  expect(() => new DiagonalGaussian(odd, tf.zeros([1, 2, 2, 4]))).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: DiagonalGaussian: logvar must be [1, 2, 2, 3], got [1, 2, 2, 4]]`,
  );
});
