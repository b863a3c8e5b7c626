import { describeBackends, expectGradient, expectTensors, goldenJson } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { dwt2d } from './dwt2d';
import { idwt2d } from './idwt2d';
import type { ExtensionMode, WaveletName } from './wavelet';

type Matrix = number[][];
type Case = { wavelet: WaveletName; mode: ExtensionMode; x: Matrix; cA: Matrix; cH: Matrix; cV: Matrix; cD: Matrix };

const { cases } = goldenJson<{ cases: Case[] }>('wavelets.json');
const MODES: ExtensionMode[] = ['periodization', 'zero', 'symmetric', 'reflect'];

/** A matrix as one image of one channel. */
const image = (matrix: Matrix) => tf.tensor2d(matrix).reshape([1, matrix.length, matrix[0].length, 1]) as tf.Tensor4D;

describeBackends(['cpu', 'wasm'], () => {
  test.each(cases.map((c) => [`${c.wavelet} ${c.mode} ${c.x.length}x${c.x[0].length}`, c] as const))(
    'dwt2d and idwt2d match PyWavelets: %s',
    async (_name, { wavelet, mode, x, cA, cH, cV, cD }) => {
      const input = image(x);
      const bands = await expectTensors(4, () => dwt2d(input, { wavelet, mode }));
      await expect(bands.ll).toBeAllclose(image(cA));
      await expect(bands.lh).toBeAllclose(image(cH));
      await expect(bands.hl).toBeAllclose(image(cV));
      await expect(bands.hh).toBeAllclose(image(cD));
      const golden = { ll: image(cA), lh: image(cH), hl: image(cV), hh: image(cD) };
      const size = [x.length, x[0].length] as const;
      await expect(await expectTensors(1, () => idwt2d(golden, { wavelet, mode, size }))).toBeAllclose(input);
    },
  );

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

  test('gradients at odd sizes agree with finite differences and leave nothing behind', async () => {
    const x = tf.randomNormal<tf.Rank.R4>([2, 3, 5, 2], 0, 1, 'float32', 3);
    const bands = [4, 5, 6, 7].map((seed) => tf.randomNormal<tf.Rank.R4>([1, 2, 3, 2], 0, 1, 'float32', seed));
    await expectTensors(0, async () => {
      for (const mode of MODES) {
        const f = (t: tf.Tensor) => {
          const { ll, lh, hl, hh } = dwt2d(t as tf.Tensor4D, { mode });
          return tf.square(tf.concat([ll, lh, hl, hh], 3));
        };
        await expectGradient(f, x, { directions: 1 });
      }
      await expectGradient((...t) => {
        const [ll, lh, hl, hh] = t as tf.Tensor4D[];
        return tf.square(idwt2d({ ll, lh, hl, hh }, { size: [3, 6] }));
      }, bands);
    });
  });
});

describe('wrong arguments are named', () => {
  const x = () => tf.zeros<tf.Rank.R4>([1, 4, 4, 1]);
  const bands = () => ({ ll: x(), lh: x(), hl: x(), hh: x() });

  test('an unknown wavelet or mode, with those that are supported', () => {
    expect(() => dwt2d(x(), { wavelet: 'db2' as WaveletName })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: dwt2d: wavelet must be one of "haar", "db1", got "db2"]`,
    );
    expect(() => idwt2d(bands(), { wavelet: 'db2' as WaveletName })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: idwt2d: wavelet must be one of "haar", "db1", got "db2"]`,
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
    expect(() => idwt2d({ ...bands(), hh: tf.zeros([1, 4, 5, 1]) })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: idwt2d: hh must be [1, 4, 4, 1], got [1, 4, 5, 1]]`,
    );
  });
  test('a size that these bands cannot come from', () => {
    expect(() => idwt2d(bands(), { size: [6, 8] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: idwt2d: size must be [7 or 8, 7 or 8], got [6, 8]]`,
    );
    expect(() => idwt2d(bands(), { size: [8, 9] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: idwt2d: size must be [7 or 8, 7 or 8], got [8, 9]]`,
    );
    expect(() => idwt2d(bands(), { size: [7.5, 8] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: idwt2d: size must be [7 or 8, 7 or 8], got [7.5, 8]]`,
    );
  });
});
