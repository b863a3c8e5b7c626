import { describeBackends, expectGradient, expectTensors, goldenJson } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { wavedec2d } from './wavedec2d';
import type { ExtensionMode } from './wavelet';
import type { WaveletName } from './wavelet-name';
import { waverec2d } from './waverec2d';

type Matrix = number[][];
type Case = {
  wavelet: WaveletName;
  mode: ExtensionMode;
  level: number;
  x: Matrix;
  /** cA, then [cH, cV, cD] from the coarsest level on. */
  coeffs: [Matrix, ...[Matrix, Matrix, Matrix][]];
};

const { multilevel } = goldenJson<{ multilevel: Case[] }>('wavelets.json');
const image = (matrix: Matrix) => tf.tensor2d(matrix).reshape([1, matrix.length, matrix[0].length, 1]) as tf.Tensor4D;
const random = (shape: [number, number, number, number], seed = 1) =>
  tf.randomNormal<tf.Rank.R4>(shape, 0, 1, 'float32', seed);

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  test.each(multilevel)('wavedec2d and waverec2d match PyWavelets: $wavelet $mode, $level levels', async (golden) => {
    const { wavelet, mode, level, coeffs } = golden;
    const [cA, ...levels] = coeffs;
    const x = image(golden.x);
    const { ll, details } = await expectTensors(1 + 3 * level, () => wavedec2d(x, { wavelet, mode, level }));
    await expect(ll).toBeAllclose(image(cA));
    expect(details.length).toBe(level);
    for (const [i, [cH, cV, cD]] of levels.entries()) {
      await expect(details[i].lh).toBeAllclose(image(cH));
      await expect(details[i].hl).toBeAllclose(image(cV));
      await expect(details[i].hh).toBeAllclose(image(cD));
    }
    const expected = {
      ll: image(cA),
      details: levels.map(([cH, cV, cD]) => ({ lh: image(cH), hl: image(cV), hh: image(cD) })),
    };
    await expect(await expectTensors(1, () => waverec2d(expected, { wavelet, mode }))).toBeAllclose(x);
  });

  test('goes there and back at sizes that are odd on some levels, in every mode', async () => {
    const x = random([2, 11, 22, 3]); // 11x22, 6x11, 3x6, 2x3
    for (const mode of ['periodization', 'zero', 'symmetric', 'reflect'] as const) {
      const coefficients = wavedec2d(x, { mode, level: 3 });
      expect(coefficients.details.map(({ hh }) => hh.shape)).toEqual([
        [2, 2, 3, 3],
        [2, 3, 6, 3],
        [2, 6, 11, 3],
      ]);
      await expect(waverec2d(coefficients, { mode, size: [11, 22] })).toBeAllclose(x);
    }
  });

  test('takes the largest number of levels by default, as PyWavelets does', () => {
    expect(wavedec2d(random([1, 16, 9, 1])).details.length).toBe(3);
    expect(wavedec2d(random([1, 1, 9, 1])).details.length).toBe(0);
  });

  test('zero levels give the image itself, as a tensor of its own', async () => {
    const x = random([1, 3, 4, 2]);
    const { ll, details } = await expectTensors(1, () => wavedec2d(x, { level: 0 }));
    expect(details).toEqual([]);
    await expect(ll).toBeAllclose(x, 0);
    const back = await expectTensors(1, () => waverec2d({ ll, details: [] }, { size: [3, 4] }));
    await expect(back).toBeAllclose(x, 0);
    tf.dispose([ll, back]);
    expect(x.isDisposed).toBe(false);
  });

  test('the coarsest mean of a picture of 2^n x 2^n pixels is its mean times 2^n', async () => {
    const x = random([1, 8, 8, 2]);
    await expect(wavedec2d(x).ll).toBeAllclose(tf.mul(tf.mean(x, [1, 2], true), 8));
  });

  test('gradients agree with finite differences and leave nothing behind', async () => {
    const x = random([1, 6, 5, 2]);
    await expectTensors(0, () =>
      expectGradient((t) => {
        const { ll, details } = wavedec2d(t as tf.Tensor4D, { level: 2 });
        return waverec2d({ ll: tf.square(ll), details: details.map((d) => ({ ...d, hl: tf.square(d.hl) })) });
      }, x),
    );
  });
});

describe('wrong arguments are named', () => {
  const zeros = (h: number, w: number) => tf.zeros<tf.Rank.R4>([1, h, w, 1]);
  const detail = (h: number, w: number) => ({ lh: zeros(h, w), hl: zeros(h, w), hh: zeros(h, w) });

  test('of wavedec2d', () => {
    const x = zeros(8, 20);
    expect(() => wavedec2d(x, { level: 4 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: wavedec2d: level must be an integer from 0 to 3 for an image of 8x20, got 4]`,
    );
    expect(() => wavedec2d(x, { level: -1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: wavedec2d: level must be an integer from 0 to 3 for an image of 8x20, got -1]`,
    );
    expect(() => wavedec2d(x, { level: 1.5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: wavedec2d: level must be an integer from 0 to 3 for an image of 8x20, got 1.5]`,
    );
    expect(() => wavedec2d(x, { wavelet: 'Sym-4' as WaveletName })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: wavedec2d: wavelet must be one of waveletNames, such as "sym4", "sym14", "sym2", got "Sym-4"]`,
    );
    expect(() => wavedec2d(x, { mode: 'wrap' as ExtensionMode })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: wavedec2d: mode must be one of "periodization", "zero", "symmetric", "reflect", got "wrap"]`,
    );
    expect(() => wavedec2d(tf.zeros([8, 8]) as unknown as tf.Tensor4D)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: wavedec2d: x must be [N, H, W, C], got [8, 8]]`,
    );
  });
  test('of waverec2d', () => {
    const ll = zeros(2, 3);
    expect(() => waverec2d({ ll, details: [] }, { mode: 'wrap' as ExtensionMode })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: waverec2d: mode must be one of "periodization", "zero", "symmetric", "reflect", got "wrap"]`,
    );
    expect(() => waverec2d({ ll, details: [] }, { size: [4, 6] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: waverec2d: size must be [2, 3] without details, got [4, 6]]`,
    );
    expect(() => waverec2d({ ll, details: [detail(2, 4)] })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: waverec2d: details[0].lh must be [1, 2, 3, 1], got [1, 2, 4, 1]]`,
    );
    expect(() => waverec2d({ ll, details: [{ ...detail(2, 3), hh: zeros(1, 1) }] })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: waverec2d: details[0].hh must be [1, 2, 3, 1], got [1, 1, 1, 1]]`,
    );
    expect(() => waverec2d({ ll, details: [detail(2, 3), detail(2, 6)] })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: waverec2d: details[1].lh must be [1, 3 or 4, 5 or 6, 1], got [1, 2, 6, 1]]`,
    );
    expect(() =>
      waverec2d({ ll, details: [detail(2, 3), detail(4, 5)] }, { size: [9, 10] }),
    ).toThrowErrorMatchingInlineSnapshot(`[ArgumentError: waverec2d: size must be [7 or 8, 9 or 10], got [9, 10]]`);
  });
});
