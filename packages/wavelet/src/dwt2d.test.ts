import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { dwt2d } from './dwt2d';
import { expectGolden, goldenCases } from './golden-case';
import { idwt2d } from './idwt2d';
import type { ExtensionMode, WaveletOptions } from './wavelet';
import type { WaveletName } from './wavelet-name';

const MODES: ExtensionMode[] = ['periodization', 'zero', 'symmetric', 'reflect'];
const WAVELETS: WaveletName[] = ['haar', 'db3', 'sym4', 'bior4.4'];

const random = (shape: readonly number[], seed: number) =>
  tf.randomNormal<tf.Rank>([...shape], 0, 1, 'float32', seed) as tf.Tensor4D;

function packed(x: tf.Tensor4D, options: WaveletOptions): tf.Tensor4D {
  const { ll, lh, hl, hh } = dwt2d(x, options);
  return tf.concat([ll, lh, hl, hh], 3);
}

describeBackends(['cpu', 'wasm', 'webgpu'], (backend) => {
  // All of them on WebGPU: dwt2d.slow.test.ts
  const cases = goldenCases.filter(([name]) => backend !== 'webgpu' || /^(db2|bior4.4) .* 9x7$/.test(name));
  test.each(cases)('dwt2d and idwt2d match PyWavelets: %s', (_name, golden) => expectGolden(golden));

  test('haar with periodization is the default, and db1 another name of haar', async () => {
    const x = tf.randomNormal<tf.Rank.R4>([2, 5, 6, 3], 0, 1, 'float32', 1);
    const bands = dwt2d(x);
    const same = dwt2d(x, { wavelet: 'db1', mode: 'periodization' });
    for (const name of ['ll', 'lh', 'hl', 'hh'] as const) await expect(bands[name]).toBeAllclose(same[name], 0);
  });

  test('without a size the inverse is of even size and keeps the added row and column', async () => {
    const x = tf.randomNormal<tf.Rank.R4>([1, 3, 5, 2], 0, 1, 'float32', 2);
    const full = idwt2d(dwt2d(x, { mode: 'zero' }), { mode: 'zero' });
    await expect(full).toBeAllclose(
      tf.pad(x, [
        [0, 0],
        [0, 1],
        [0, 1],
        [0, 0],
      ]),
    );
  });

  test('an image of one pixel goes there and back in every mode', async () => {
    const x = tf.tensor4d([3], [1, 1, 1, 1]);
    for (const mode of MODES) {
      const { ll, lh, hl, hh } = dwt2d(x, { mode });
      await expect(ll).toBeAllclose([[[[mode === 'zero' ? 1.5 : 6]]]]);
      await expect(idwt2d({ ll, lh, hl, hh }, { mode, size: [1, 1] })).toBeAllclose(x);
    }
  });
});

describeBackends(['cpu', 'wasm'], () => {
  test('the adjoint of the transform is its gradient: <Wx, y> = <x, W^T y>', async () => {
    const x = random([2, 7, 10, 3], 3);
    for (const [i, mode] of MODES.entries()) {
      const options = { wavelet: WAVELETS[i], mode };
      const y = tf.add(packed(x, options), random([...packed(x, options).shape], 4)) as tf.Tensor4D; // not orthogonal to Wx
      const adjoint = await expectTensors(1, () => tf.grad((t) => packed(t as tf.Tensor4D, options))(x, y));
      expect(await dot(packed(x, options), y)).toBeAllclose(await dot(x, adjoint), 1e-6);
    }
  });

  test('gradients at odd sizes agree with finite differences and leave nothing behind', async () => {
    const x = random([2, 3, 5, 2], 3);
    await expectTensors(0, async () => {
      for (const wavelet of WAVELETS) {
        for (const mode of MODES) {
          const curved = (t: tf.Tensor) => tf.square(packed(t as tf.Tensor4D, { wavelet, mode }));
          await expectGradient(curved, x, { directions: 1 });
        }
      }
    });
  });

  test('gradients of the inverse agree with finite differences and leave nothing behind', async () => {
    await expectTensors(0, async () => {
      for (const [wavelet, mode, h] of [
        ['haar', 'periodization', 2],
        ['db3', 'periodization', 2],
        ['bior4.4', 'symmetric', 6],
      ] as const) {
        const bands = [4, 5, 6, 7].map((seed) => random([1, h, h + 1, 2], seed));
        const inverse = (...[ll, lh, hl, hh]: tf.Tensor4D[]) =>
          tf.square(idwt2d({ ll, lh, hl, hh }, { wavelet, mode, size: [3, 6] }));
        await expectGradient((...t) => inverse(...(t as tf.Tensor4D[])), bands, { directions: 1 });
        tf.dispose(bands);
      }
    });
  });

  test('the gradient of the gradient is there', async () => {
    const x = random([1, 4, 4, 1], 8);
    const energy = (t: tf.Tensor) => tf.sum(tf.pow(packed(t as tf.Tensor4D, { wavelet: 'db2', mode: 'zero' }), 3));
    await expectGradient((t) => tf.square(tf.grad(energy)(t)), x);
  });
});

/** Summed in float64. */
async function dot(a: tf.Tensor, b: tf.Tensor): Promise<number> {
  const [x, y] = [await a.data(), await b.data()];
  return Array.from(x).reduce((sum, value, i) => sum + value * y[i], 0);
}

describe('wrong arguments are named', () => {
  const x = () => tf.zeros<tf.Rank.R4>([1, 4, 4, 1]);
  const bands = () => ({ ll: x(), lh: x(), hl: x(), hh: x() });

  test('an unknown wavelet or mode, with those that are supported', () => {
    expect(() => dwt2d(x(), { wavelet: 'db39' as WaveletName })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: dwt2d: wavelet must be one of waveletNames, such as "db3", "db9", "db19", got "db39"]`,
    );
    expect(() => idwt2d(bands(), { wavelet: 'db39' as WaveletName })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: idwt2d: wavelet must be one of waveletNames, such as "db3", "db9", "db19", got "db39"]`,
    );
    expect(() => dwt2d(x(), { mode: 'wrap' as ExtensionMode })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: dwt2d: mode must be one of "periodization", "zero", "symmetric", "reflect", got "wrap"]`,
    );
    expect(() => idwt2d(bands(), { mode: 'wrap' as ExtensionMode })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: idwt2d: mode must be one of "periodization", "zero", "symmetric", "reflect", got "wrap"]`,
    );
  });
  test('a tensor of another rank, or bands of different shapes', () => {
    expect(() => dwt2d(tf.zeros([4, 4]) as unknown as tf.Tensor4D)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: dwt2d: x must be [N, H, W, C], got [4, 4]]`,
    );
    expect(() => dwt2d(tf.zeros([1, 0, 4, 1]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: dwt2d: x must be [N, H >= 1, W >= 1, C], got [1, 0, 4, 1]]`,
    );
    expect(() => idwt2d({ ...bands(), hh: tf.zeros([1, 4, 5, 1]) })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: idwt2d: hh must be [1, 4, 4, 1], got [1, 4, 5, 1]]`,
    );
  });
  test('subbands that are smaller than those of one pixel', () => {
    expect(() => idwt2d(bands(), { wavelet: 'db5', mode: 'zero' })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: idwt2d: ll must be [N, H >= 5, W >= 5, C], got [1, 4, 4, 1]]`,
    );
    expect(() => idwt2d({ ll: tf.zeros([1, 0, 1, 1]), lh: x(), hl: x(), hh: x() })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: idwt2d: ll must be [N, H >= 1, W >= 1, C], got [1, 0, 1, 1]]`,
    );
  });
  test('a size that these bands cannot come from', () => {
    expect(() => idwt2d(bands(), { size: [6, 8] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: idwt2d: size must be [7 or 8, 7 or 8], got [6, 8]]`,
    );
    expect(() => idwt2d(bands(), { wavelet: 'db2', mode: 'reflect', size: [8, 6] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: idwt2d: size must be [5 or 6, 5 or 6], got [8, 6]]`,
    );
    expect(() => idwt2d(bands(), { size: [8, 9] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: idwt2d: size must be [7 or 8, 7 or 8], got [8, 9]]`,
    );
    expect(() => idwt2d(bands(), { size: [7.5, 8] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: idwt2d: size must be [7 or 8, 7 or 8], got [7.5, 8]]`,
    );
  });
});
