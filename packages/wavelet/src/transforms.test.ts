import { describeBackends, expectGradient, expectTensors, goldenJson } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { alongAxis, SPARSE_ROWS_KERNEL } from './along-axis';
import { AxisOperator } from './axis-operator';
import { dwt1d } from './dwt1d';
import { dwt2d } from './dwt2d';
import { analysisOperator, synthesisOperator } from './filter-operators';
import { idwt1d } from './idwt1d';
import { idwt2d } from './idwt2d';
import { maxLevel } from './max-level';
import { OperatorCache } from './operator-cache';
import { wavedec2d } from './wavedec2d';
import type { ExtensionMode } from './wavelet';
import { waveletFilters } from './wavelet-filters';
import type { WaveletName } from './wavelet-name';
import { waveletNames } from './wavelet-names';
import { waverec2d } from './waverec2d';

type Shape4 = [number, number, number, number];
type Band = { sum: number; scale: number; values: number[] };
type ImageCase = { wavelet: WaveletName; mode: ExtensionMode; shape: Shape4; bands: Shape4; stride: number } & Record<
  'll' | 'lh' | 'hl' | 'hh',
  Band
>;
type Goldens = {
  signals: { wavelet: WaveletName; mode: ExtensionMode; low: number[]; high: number[] }[];
  images: ImageCase[];
  levels: {
    wavelet: WaveletName;
    mode: ExtensionMode;
    shape: [number, number];
    shapes: [number, number][];
    values: number[];
  }[];
  max_levels: [length: number, wavelet: WaveletName, level: number][];
};

const goldens = goldenJson<Goldens>('wavelets-more.json');
const MODES: ExtensionMode[] = ['periodization', 'zero', 'symmetric', 'reflect'];
/** All but the one that is a truncation. */
const exact = waveletNames.filter((name) => name !== 'dmey');
const BANDS = ['ll', 'lh', 'hl', 'hh'] as const;

const picture = (shape: number[]) => {
  const size = shape.reduce((product, n) => product * n, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(1 + 0.37 * i ** 1.5)),
    shape,
  );
};

describeBackends(['cpu', 'wasm'], () => {
  test('dwt1d matches PyWavelets for every wavelet', async () => {
    const signal = Array.from({ length: 11 }, (_, i) => Math.sin(1 + (3 * i ** 2) / 7));
    const x = tf.tensor3d(signal, [1, 11, 1]);
    for (const { wavelet, mode, low, high } of goldens.signals) {
      const bands = await expectTensors(2, () => dwt1d(x, { wavelet, mode }));
      const scale = Math.max(...low.map(Math.abs)); // where a mode leaves nothing in the high band
      await expect(bands.low).toBeAllclose(low);
      await expect(bands.high).toBeAllclose(high, { absolute: 1e-6 * scale });
      tf.dispose(bands);
    }
  });

  test('dwt2d matches PyWavelets at long filters, odd and tiny sizes, several channels and samples', async () => {
    for (const golden of goldens.images) {
      const { wavelet, mode, shape, bands, stride } = golden;
      const x = picture(shape) as tf.Tensor4D;
      const ours = await expectTensors(4, () => dwt2d(x, { wavelet, mode }));
      for (const band of BANDS) {
        expect(ours[band].shape, `${wavelet} ${mode}`).toEqual(bands);
        const values = Array.from(await ours[band].data());
        const { sum, scale, values: expected } = golden[band];
        const sampled = values.filter((_, i) => i % stride === 0);
        expect(sampled, `${wavelet} ${mode} ${band}`).toBeAllclose(expected, { scale: golden.ll.scale });
        const total = values.reduce((a, b) => a + b, 0);
        expect(Math.abs(total - sum)).toBeLessThan(1e-5 * values.length * Math.max(scale, golden.ll.scale));
      }
      tf.dispose([x, ours]);
    }
  });

  test('wavedec2d matches PyWavelets in every mode, and waverec2d undoes it', async () => {
    for (const { wavelet, mode, shape, shapes, values } of goldens.levels) {
      const x = picture([1, ...shape, 1]) as tf.Tensor4D;
      const coefficients = wavedec2d(x, { wavelet, mode, level: 2 });
      const all = [coefficients.ll, ...coefficients.details.flatMap(({ lh, hl, hh }) => [lh, hl, hh])];
      expect(all.map((band) => band.shape.slice(1, 3))).toEqual(shapes);
      await expect(tf.concat(all.map((band) => tf.reshape(band, [-1])))).toBeAllclose(values);
      await expect(waverec2d(coefficients, { wavelet, mode, size: shape })).toBeAllclose(x);
    }
  });

  test('the inverse undoes the transform, for every wavelet in every mode', async () => {
    const x = picture([1, 3, 6, 2]) as tf.Tensor4D;
    for (const wavelet of exact) {
      for (const mode of MODES) {
        const back = tf.tidy(() => idwt2d(dwt2d(x, { wavelet, mode }), { wavelet, mode, size: [3, 6] }));
        await expect(back, `${wavelet} ${mode}`).toBeAllclose(x);
        back.dispose();
      }
    }
  });

  test('dmey, a truncation, comes back to one per cent, as in PyWavelets', async () => {
    const x = picture([1, 20, 31, 1]) as tf.Tensor4D;
    for (const mode of MODES) {
      const options = { wavelet: 'dmey', mode } as const;
      await expect(idwt2d(dwt2d(x, options), { ...options, size: [20, 31] })).toBeAllclose(x, 0.0101);
    }
  });

  test('the inverse undoes the transform at any size (property)', async () => {
    const cases = fc.record({
      wavelet: fc.constantFrom(...exact),
      mode: fc.constantFrom(...MODES),
      n: fc.integer({ min: 1, max: 2 }),
      h: fc.integer({ min: 1, max: 20 }),
      w: fc.integer({ min: 1, max: 20 }),
      c: fc.integer({ min: 1, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ wavelet, mode, n, h, w, c }) => {
        const x = picture([n, h, w, c]) as tf.Tensor4D;
        const back = tf.tidy(() => idwt2d(dwt2d(x, { wavelet, mode }), { wavelet, mode, size: [h, w] }));
        await expect(back).toBeAllclose(x);
        tf.dispose([x, back]);
      }),
      { numRuns: 60, seed: 4 },
    );
  });

  test('orthogonal wavelets keep the energy of even sizes with periodization (Parseval)', async () => {
    const x = picture([1, 12, 8, 2]) as tf.Tensor4D;
    const energy = async (t: tf.Tensor) => Array.from(await t.data()).reduce((sum, value) => sum + value ** 2, 0);
    for (const wavelet of exact.filter((name) => waveletFilters(name).orthogonal)) {
      const bands = dwt2d(x, { wavelet });
      let total = 0;
      for (const band of BANDS) total += await energy(bands[band]);
      expect(total, wavelet).toBeAllclose(await energy(x), 1e-5);
      tf.dispose(bands);
    }
  });

  test('long signals, which are cut into blocks, are the dense product', async () => {
    const x = picture([1, 301, 2]) as tf.Tensor3D;
    for (const mode of MODES) {
      for (const operator of [
        analysisOperator('db5', mode, 301),
        synthesisOperator('bior3.5', mode, 155, 299).transposed,
      ]) {
        const dense = new Float32Array(operator.rows * operator.columns);
        for (let i = 0; i < operator.rows; i++) {
          for (let k = operator.starts[i]; k < operator.starts[i + 1]; k++) {
            dense[i * operator.columns + operator.indices[k]] = operator.weights[k];
          }
        }
        const input = tf.slice(x, [0, 0, 0], [1, operator.columns, 2]) as tf.Tensor3D;
        const expected = tf.matMul(tf.tensor3d(dense, [1, operator.rows, operator.columns]), input);
        await expect(await expectTensors(1, () => alongAxis(input, operator))).toBeAllclose(expected, 1e-6);
      }
    }
  });

  test('1-D: gradients agree with finite differences, the inverse undoes, nothing is left behind', async () => {
    const x = picture([2, 7, 3]) as tf.Tensor3D;
    await expectTensors(0, async () => {
      const options = { wavelet: 'rbio2.2', mode: 'reflect' } as const;
      await expectGradient((t) => {
        const { low, high } = dwt1d(t as tf.Tensor3D, options);
        return idwt1d({ low: tf.square(low), high }, { ...options, length: 7 });
      }, x);
      const bands = dwt1d(x, options);
      const back = idwt1d(bands, { ...options, length: 7 });
      await expect(back).toBeAllclose(x);
      tf.dispose([back, bands]);
    });
  });
});

describeBackends(['cpu'], () => {
  test('a kernel registered by a backend is used, forwards with the operator and backwards with its transpose', async () => {
    const operator = new AxisOperator(
      [
        new Map([[1, 3]]),
        new Map(),
        new Map([
          [0, 2],
          [1, 1],
        ]),
      ],
      2,
    );
    const calls: unknown[] = [];
    tf.registerKernel({
      kernelName: SPARSE_ROWS_KERNEL,
      backendName: 'cpu',
      kernelFunc: ({ inputs, attrs }) => {
        const { rows, columns } = attrs as unknown as AxisOperator;
        calls.push([rows, columns, inputs.x?.shape]);
        return tf.keep(tf.zeros([1, rows, 1]));
      },
    });
    try {
      tf.grad((t) => alongAxis(t as tf.Tensor3D, operator))(tf.ones([1, 2, 1]));
      expect(calls).toEqual([
        [3, 2, [1, 2, 1]],
        [2, 3, [1, 3, 1]],
      ]);
    } finally {
      tf.unregisterKernel(SPARSE_ROWS_KERNEL, 'cpu');
    }
    await expect(alongAxis(tf.tensor3d([5, 7], [1, 2, 1]), operator)).toBeAllclose([21, 0, 17]);
  });

  test('maxLevel matches PyWavelets', () => {
    for (const [length, wavelet, level] of goldens.max_levels) {
      expect([length, wavelet, maxLevel(length, wavelet)]).toEqual([length, wavelet, level]);
    }
  });

  test('operators are kept up to a size, those used last', () => {
    const cache = new OperatorCache(4);
    const two = () => new AxisOperator([new Map([[0, 1]]), new Map([[0, 2]])], 1);
    const first = cache.get('a', two);
    cache.get('b', two);
    expect(cache.get('a', two)).toBe(first);
    cache.get('c', two);
    expect(cache.count).toBe(2);
    expect(cache.get('a', two)).toBe(first); // b went, having been used longest ago
  });
});

describe('wrong arguments are named', () => {
  test('of the 1-D transforms', () => {
    const zeros = (...shape: [number, number, number]) => tf.zeros<tf.Rank.R3>(shape);
    const bands = { low: zeros(1, 4, 1), high: zeros(1, 4, 1) };
    expect(() => dwt1d(zeros(1, 0, 1))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: dwt1d: x must be [N, L >= 1, C], got [1, 0, 1]]`,
    );
    expect(() => dwt1d(tf.zeros([3]) as unknown as tf.Tensor3D)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: dwt1d: x must be [N, L, C], got [3]]`,
    );
    expect(() => dwt1d(zeros(1, 4, 1), { wavelet: 'db0' as WaveletName })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: dwt1d: wavelet must be one of waveletNames, such as "db1", "db2", "db3", got "db0"]`,
    );
    expect(() => idwt1d({ ...bands, high: zeros(1, 3, 1) })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: idwt1d: high must be [1, 4, 1], got [1, 3, 1]]`,
    );
    expect(() => idwt1d(bands, { length: 6 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: idwt1d: length must be 7 or 8, got 6]`,
    );
    expect(() => idwt1d(bands, { wavelet: 'db5', mode: 'zero' })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: idwt1d: low must be [N, L >= 5, C], got [1, 4, 1]]`,
    );
    expect(() => idwt1d(bands, { mode: 'wrap' as ExtensionMode })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: idwt1d: mode must be one of "periodization", "zero", "symmetric", "reflect", got "wrap"]`,
    );
  });
  test('of maxLevel', () => {
    expect(() => maxLevel(0)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: maxLevel: length must be an integer >= 1, got 0]`,
    );
    expect(() => maxLevel(8, 'sym1' as WaveletName)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: maxLevel: wavelet must be one of waveletNames, such as "sym2", "sym3", "sym4", got "sym1"]`,
    );
  });
});
