import { kernelsUsedBy } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { cudaKernels } from '../../../testing/cuda-kernels';

/** Programs that together run every kernel of the models, forward and backward; a model is one more line here. */
const programs: Readonly<Record<string, () => unknown>> = {
  'convolutions, resampling and padding': () =>
    gradients([[1, 4, 4, 2], [3, 3, 2, 2], [3, 3, 2, 1], [2]], ([x, filter, depthwise, bias]) => {
      const padded = tf.pad(x as tf.Tensor4D, [
        [0, 0],
        [1, 1],
        [1, 1],
        [0, 0],
      ]);
      const h = tf.add(tf.conv2d(padded as tf.Tensor4D, filter as tf.Tensor4D, 1, 'valid'), bias!);
      const up = tf.image.resizeNearestNeighbor(h as tf.Tensor4D, [8, 8]);
      const narrow = tf.avgPool(tf.depthwiseConv2d(up, depthwise as tf.Tensor4D, 2, 'same'), 2, 2, 'valid');
      return tf.concat([narrow, tf.slice(h, [0, 0, 0, 0], [1, 2, 2, 2])], 3);
    }),
  'group normalisation and SiLU': () =>
    gradients([[2, 2, 2, 4], [4], [4]], ([x, scale, shift]) => {
      const groups = tf.reshape(x!, [2, 4, 2, 2]);
      const { mean, variance } = tf.moments(groups, [1, 3], true);
      const normal = tf.mul(tf.sub(groups, mean), tf.rsqrt(tf.add(variance, 1e-5)));
      const h = tf.add(tf.mul(tf.reshape(normal, [2, 2, 2, 4]), scale!), shift!);
      return tf.mul(h, tf.sigmoid(h));
    }),
  'attention, gathered embeddings and timesteps': () =>
    gradients(
      [
        [1, 4, 6],
        [6, 6],
        [3, 6],
      ],
      ([x, weight, table]) => {
        const labels = tf.gather(table!, tf.tensor1d([0, 2, 2, 1], 'int32'));
        const angles = tf.outerProduct(tf.range(0, 4), tf.exp(tf.mul(tf.range(0, 3), -1)) as tf.Tensor1D);
        const h = tf.addN([
          x!,
          tf.expandDims(labels, 0),
          tf.expandDims(tf.concat([tf.cos(angles), tf.sin(angles)], 1), 0),
        ]);
        const projected = tf.matMul(tf.reshape(h, [4, 6]), weight as tf.Tensor2D);
        const [q, k, v] = tf.split(tf.reshape(projected, [1, 4, 6]), 3, 2);
        const similarity = tf.softmax(tf.mul(tf.matMul(q!, k!, false, true), 2 ** -0.5));
        const merged = tf.transpose(tf.matMul(similarity, v!), [0, 2, 1]);
        const [a, b] = tf.unstack(merged, 1);
        return tf.stack([tf.tanh(a!), tf.mul(b!, tf.erf(b!))]);
      },
    ),
  'losses, spectra and weights': () =>
    gradients(
      [
        [2, 4],
        [4, 4],
      ],
      ([x, basis]) => {
        const power = tf.square(tf.matMul(x as tf.Tensor2D, basis as tf.Tensor2D));
        const weight = tf.pow(tf.sqrt(tf.add(power, 1e-6)), -1);
        const masked = tf.where(tf.greater(tf.tensor2d([[1], [-1]]), 0), power, tf.zerosLike(power));
        const kl = tf.sub(tf.exp(tf.clipByValue(x!, -1, 1)), tf.log(tf.add(tf.abs(power), 1)));
        const l1 = tf.mean(tf.maximum(tf.sub(x!, masked), tf.neg(x!)));
        return tf.add(tf.sum(tf.div(tf.squaredDifference(masked, x!), weight)), tf.add(tf.mean(tf.relu(kl)), l1));
      },
    ),
  'AdamW, clipping and moving average': () =>
    tf.tidy(() => {
      const [weight, gradient] = [tf.variable(tf.ones([3])), tf.ones([3])];
      const norm = tf.sqrt(tf.sum(tf.square(gradient)));
      const clipped = tf.mul(gradient, tf.minimum(1, tf.div(1, tf.add(norm, 1e-6))));
      const [m, v] = [tf.mul(0.1, clipped), tf.mul(0.01, tf.square(clipped))];
      weight.assign(tf.sub(tf.mul(weight, 0.99), tf.div(m, tf.add(tf.sqrt(v), 1e-8))));
      return tf.all(tf.isFinite(weight));
    }),
};

/** Runs `f` and its gradient in all inputs, which are made in the shapes given. */
function gradients(shapes: readonly number[][], f: (inputs: readonly tf.Tensor[]) => tf.Tensor): void {
  tf.tidy(() => {
    const inputs = shapes.map((shape) => tf.fill(shape, 0.5));
    tf.grads((...args: tf.Tensor[]) => f(args))(inputs);
  });
}

describe('the CUDA backend (tfjs-node-gpu 4.22.0)', () => {
  const offered = new Set(cudaKernels());

  test('lists 155 kernels', () => expect(offered.size).toBe(155));

  test.each(Object.entries(programs))('has every kernel of: %s', async (_, program) => {
    const used = await kernelsUsedBy(program);
    expect(used.length).toBeGreaterThan(5);
    expect(used.filter((kernel) => !offered.has(kernel))).toEqual([]);
  });

  test('is caught where it lacks a kernel', async () => {
    const used = await kernelsUsedBy(() => tf.bitwiseAnd(tf.tensor1d([1], 'int32'), tf.tensor1d([3], 'int32')));
    expect(used.filter((kernel) => !offered.has(kernel))).toEqual(['BitwiseAnd']);
  });

  test('kernels of gradients are among those recorded', async () => {
    expect(await kernelsUsedBy(programs['convolutions, resampling and padding']!)).toEqual(
      expect.arrayContaining([
        'Conv2D',
        'Conv2DBackpropFilter',
        'Conv2DBackpropInput',
        'DepthwiseConv2dNativeBackpropFilter',
        'DepthwiseConv2dNativeBackpropInput',
        'ResizeNearestNeighborGrad',
      ]),
    );
  });
});
