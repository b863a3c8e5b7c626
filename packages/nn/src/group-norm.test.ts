import { toFloat32 } from '@sd/checkpoint';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { GroupNorm, type GroupNormOptions, groupNorm } from './group-norm';
import { silu } from './silu';
import { goldenImages, goldenView, noise } from './test-values';

/** Sums over one sample's group, in float64, and y and the gradients from them. */
async function plain(
  inputs: [Tensor4D, Tensor1D, Tensor1D, Tensor4D],
  { groups, eps, silu = false }: GroupNormOptions,
) {
  const [x, scale, shift, dy] = await Promise.all(inputs.map(async (t) => Float64Array.from(await t.data())));
  const [samples, height, width, channels] = inputs[0].shape;
  const pixels = height * width;
  const perGroup = channels / groups;
  const [y, dx] = [new Float64Array(x.length), new Float64Array(x.length)];
  const [dscale, dshift] = [new Float64Array(channels), new Float64Array(channels)];
  for (let n = 0; n < samples; n++) {
    for (let g = 0; g < groups; g++) {
      const members: [at: number, channel: number][] = [];
      for (let p = 0; p < pixels; p++) {
        for (let c = g * perGroup; c < (g + 1) * perGroup; c++) members.push([(n * pixels + p) * channels + c, c]);
      }
      const meanOf = (f: (at: number, channel: number) => number) =>
        members.reduce((sum, [at, channel]) => sum + f(at, channel), 0) / members.length;
      const mean = meanOf((at) => x[at]);
      const deviation = Math.sqrt(meanOf((at) => (x[at] - mean) ** 2) + eps);
      const hat = (at: number) => (x[at] - mean) / deviation;
      const dz = (at: number, channel: number) => {
        const z = hat(at) * scale[channel] + shift[channel];
        const s = 1 / (1 + Math.exp(-z));
        return silu ? dy[at] * (s + z * s * (1 - s)) : dy[at];
      };
      const meanG = meanOf((at, channel) => dz(at, channel) * scale[channel]);
      const meanGHat = meanOf((at, channel) => dz(at, channel) * scale[channel] * hat(at));
      for (const [at, channel] of members) {
        const z = hat(at) * scale[channel] + shift[channel];
        y[at] = silu ? z / (1 + Math.exp(-z)) : z;
        dx[at] = (dz(at, channel) * scale[channel] - meanG - hat(at) * meanGHat) / deviation;
        dscale[channel] += dz(at, channel) * hat(at);
        dshift[channel] += dz(at, channel);
      }
    }
  }
  return { y, dx, dscale, dshift };
}

const apply = (options: GroupNormOptions) => (x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) =>
  groupNorm(x as Tensor4D, scale as Tensor1D, shift as Tensor1D, options);

const CASES: readonly GroupNormOptions[] = [
  { groups: 1, eps: 1e-5 },
  { groups: 3, eps: 1e-6, silu: true },
  { groups: 6, eps: 1e-5 },
  { groups: 12, eps: 0.1, silu: true },
];

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  test('GroupNorm matches torch.nn.GroupNorm (8 groups, eps 1e-6) and leaves one tensor', async () => {
    const layer = new GroupNorm({ channels: 32, groups: 8, eps: 1e-6 });
    layer.weight.load(toFloat32(goldenView('groupnorm/weight')));
    layer.bias.load(toFloat32(goldenView('groupnorm/bias')));
    const x = goldenImages('groupnorm/x');
    const y = await expectTensors(1, () => layer.forward(x));
    await expect(y).toBeAllclose(goldenImages('groupnorm/y'));
  });
});

describeBackends(['cpu', 'wasm'], () => {
  test.each(CASES)('groupNorm and its gradients are those of a plain loop: %o', async (options) => {
    const x = noise<tf.Rank.R4>(1, [2, 5, 4, 12], 2, 1);
    const [scale, shift] = [noise<tf.Rank.R1>(2, [12]), noise<tf.Rank.R1>(3, [12])];
    const dy = noise<tf.Rank.R4>(4, [2, 5, 4, 12]);
    const expected = await plain([x, scale, shift, dy], options);
    const y = await expectTensors(1, () => groupNorm(x, scale, shift, options));
    await expect(y).toBeAllclose(expected.y);
    const gradients = await expectTensors(3, () => tf.grads(apply(options))([x, scale, shift], dy));
    for (const [i, name] of (['dx', 'dscale', 'dshift'] as const).entries()) {
      await expect(gradients[i]).toBeAllclose(expected[name]);
    }
  });

  test.each(CASES)('the gradients of groupNorm are those of finite differences: %o', async (options) => {
    const inputs = [noise(5, [2, 4, 3, 12], 2, 1), noise(6, [12], 0.5, 1), noise(7, [12], 0.5)];
    await expectGradient(apply(options), inputs);
  });

  test('groupNorm keeps its digits over 64 x 64 pixels with a mean, and so do its gradients', async () => {
    const options = { groups: 2, eps: 1e-5, silu: true };
    const x = noise<tf.Rank.R4>(8, [1, 64, 64, 8], 0.5, 2); // 16384 terms in each sum
    const [scale, shift] = [noise<tf.Rank.R1>(9, [8], 0.3, 1), noise<tf.Rank.R1>(10, [8])];
    const dy = noise<tf.Rank.R4>(11, [1, 64, 64, 8], 1, 0.5);
    const expected = await plain([x, scale, shift, dy], options);
    await expect(groupNorm(x, scale, shift, options)).toBeAllclose(expected.y);
    const [dx, dscale, dshift] = tf.grads(apply(options))([x, scale, shift], dy);
    await expect(dx).toBeAllclose(expected.dx);
    await expect(dscale).toBeAllclose(expected.dscale);
    await expect(dshift).toBeAllclose(expected.dshift);
  });

  test('groupNorm with silu is silu of groupNorm', async () => {
    const inputs = [noise(12, [2, 4, 4, 6]), noise(13, [6]), noise(14, [6])] as const;
    const fused = apply({ groups: 2, eps: 1e-5, silu: true })(...inputs);
    await expect(fused).toBeAllclose(silu(apply({ groups: 2, eps: 1e-5 })(...inputs)));
  });
});

describe('errors', () => {
  const x = tf.zeros<tf.Rank.R4>([1, 2, 2, 6]);
  const six = tf.zeros<tf.Rank.R1>([6]);

  test('of shape', () => {
    const options = { groups: 2, eps: 1e-5 };
    expect(() =>
      groupNorm(tf.zeros([2, 2, 6]) as unknown as Tensor4D, six, six, options),
    ).toThrowErrorMatchingInlineSnapshot(`[ShapeError: groupNorm: x must be [N, H, W, C], got [2, 2, 6]]`);
    expect(() => groupNorm(x, tf.zeros([5]), six, options)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: groupNorm: scale must be [6], got [5]]`,
    );
    expect(() => groupNorm(x, six, tf.zeros([7]), options)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: groupNorm: shift must be [6], got [7]]`,
    );
  });

  test('of groups and channels', () => {
    expect(() => groupNorm(x, six, six, { groups: 4, eps: 1e-5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: groupNorm: groups must be a divisor of the 6 channels, got 4]`,
    );
    expect(() => groupNorm(x, six, six, { groups: 1.5, eps: 1e-5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: groupNorm: groups must be an integer >= 1, got 1.5]`,
    );
    expect(() => new GroupNorm({ channels: 0, groups: 1, eps: 1e-5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: GroupNorm: channels must be an integer >= 1, got 0]`,
    );
    expect(() => new GroupNorm({ channels: 10, groups: 32, eps: 1e-5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: GroupNorm: groups must be a divisor of the 10 channels, got 32]`,
    );
  });

  test('of a disposed input', () => {
    const gone = tf.zeros<tf.Rank.R4>([1, 2, 2, 6]);
    gone.dispose();
    expect(() => groupNorm(gone, six, six, { groups: 2, eps: 1e-5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: groupNorm: x must be a tensor that is not disposed, got [1, 2, 2, 6]]`,
    );
  });
});
