import { describeBackends, expectGradient } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import type { LayeredNetwork } from './networks/feature-network';
import { SqueezeNet } from './networks/squeeze-net';
import { PerceptualDistance } from './perceptual-distance';
import { expectGolden, headsFor } from './test-perceptual';
import { goldenImages } from './test-values';

describeBackends(['wasm'], () => {
  test('with SqueezeNet 1.1 distances and gradients are those of torch, with heads and without', async () => {
    const network = new SqueezeNet({ version: '1.1' });
    await expectGolden('squeezenet1_1', network, goldenImages('network/x'), goldenImages('network/y'));
  });
});

/** Two maps: the images, and their halves with a channel more. Smooth, for finite differences. */
const simple: LayeredNetwork = {
  channels: [3, 4],
  featureMaps: (images) =>
    tf.tidy(() => [
      tf.add(images, 0.1),
      tf.avgPool(tf.concat([tf.square(images), tf.mean(images, 3, true)], 3) as Tensor4D, 2, 2, 'valid'),
    ]),
};

describe('with any network', () => {
  const images = (seed: number) => tf.randomUniform([2, 4, 4, 3], 0.1, 1, 'float32', seed) as Tensor4D;
  const [x, y] = [images(1), images(2)];

  test('is the formula, written out', async () => {
    const [a, b] = [await x.array(), await y.array()];
    const expected = [0, 1].map((n) => {
      const vectors = (image: number[][][], depth: number) =>
        depth === 0
          ? image.flat().map((pixel) => pixel.map((v) => v + 0.1))
          : [0, 2].flatMap((i) =>
              [0, 2].map((j) => {
                const four = [image[i]![j]!, image[i + 1]![j]!, image[i]![j + 1]!, image[i + 1]![j + 1]!];
                const mean = (f: (pixel: number[]) => number) => four.reduce((sum, pixel) => sum + f(pixel) / 4, 0);
                return [
                  ...[0, 1, 2].map((c) => mean((pixel) => pixel[c]! ** 2)),
                  mean((pixel) => (pixel[0]! + pixel[1]! + pixel[2]!) / 3),
                ];
              }),
            );
      return [0, 1].reduce((total, depth) => {
        const [p, q] = [vectors(a[n]!, depth), vectors(b[n]!, depth)];
        const squares = p.map((vector, i) => {
          const [lengthP, lengthQ] = [Math.hypot(...vector), Math.hypot(...q[i]!)];
          return vector.reduce((sum, value, c) => sum + (value / lengthP - q[i]![c]! / lengthQ) ** 2, 0);
        });
        return total + squares.reduce((sum, value) => sum + value, 0) / squares.length;
      }, 0);
    });
    await expect(new PerceptualDistance(simple).distance(x, y)).toBeAllclose(expected);
  });

  test('is zero for equal images, symmetric, and has the gradients of finite differences in both', async () => {
    const { distance } = new PerceptualDistance(simple);
    await expect(distance(x, x)).toBeAllclose([0, 0]);
    await expect(distance(x, y)).toBeAllclose(distance(y, x), 1e-6);
    await expectGradient((a, b) => distance(a as Tensor4D, b as Tensor4D), [x, y]);
  });

  test('vectors of zeros count as zeros, and their gradient is finite', async () => {
    const network: LayeredNetwork = { channels: [3], featureMaps: (z) => [tf.relu(z)] };
    const { distance } = new PerceptualDistance(network);
    const [black, gray] = [tf.zeros([1, 2, 2, 3]) as Tensor4D, tf.fill([1, 2, 2, 3], 0.5) as Tensor4D];
    await expect(distance(black, gray)).toBeAllclose([1]);
    const gradient = tf.grad((a) => tf.sum(distance(a as Tensor4D, gray)))(black);
    expect((await gradient.data()).every(Number.isFinite)).toBe(true);
    await expect(distance(black, black)).toBeAllclose([0]);
  });

  test('the heads are its state, and those of another network are refused', async () => {
    const lpips = new PerceptualDistance(simple);
    expect(lpips.parameterCount).toBe(7);
    lpips.loadStateDict(headsFor(simple));
    expect((await lpips.stateDict()).get('lin1.model.1.weight')).toEqual(headsFor(simple).get('lin1.model.1.weight'));
    const other = headsFor({ ...simple, channels: [3, 5, 2] });
    expect(() => lpips.loadStateDict(other)).toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: PerceptualDistance.loadStateDict: the state dict is not of this architecture
        1 unexpected: lin2.model.1.weight
        1 of another shape: lin1.model.1.weight expected [1, 4, 1, 1], got [1, 5, 1, 1]]
    `);
  });

  test('errors of shape', () => {
    const { distance } = new PerceptualDistance(simple);
    const zeros = (...shape: number[]) => tf.zeros(shape) as tf.Tensor as Tensor4D;
    expect(() => distance(zeros(1, 4, 4, 1), x)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: PerceptualDistance.distance: x must be [N, H, W, 3], got [1, 4, 4, 1]]`,
    );
    expect(() => distance(x, zeros(1, 4, 4, 3))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: PerceptualDistance.distance: y must be [2, 4, 4, 3], got [1, 4, 4, 3]]`,
    );
    expect(() => distance(zeros(0, 4, 4, 3), zeros(0, 4, 4, 3))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: PerceptualDistance.distance: x must be [N, H, W, 3] without an empty dimension, got [0, 4, 4, 3]]`,
    );
  });
});
