import { float32View, float64View, readSafetensors, type TensorView, writeSafetensors } from '@sd/checkpoint';
import '@sd/testing';
import { describe, expect, test } from 'vitest';
import { type FeatureRows, featureRows } from './feature-rows';
import { FeatureStatistics, featureStatistics } from './feature-statistics';
import { goldenRows, goldenValues, randomRows, someRows } from './test-values';

test('mean and covariance are those of numpy', () => {
  const statistics = featureStatistics(goldenRows('frechet/full_a'));
  expect(statistics).toMatchObject({ count: 60, dimension: 6 });
  const covariance = goldenValues('frechet/full_covariance_a');
  expect(statistics.mean()).toBeAllclose(goldenValues('frechet/full_mean_a'), 1e-13);
  expect(statistics.covariance()).toBeAllclose(covariance, 1e-13);
  expect(statistics.totalVariance()).toBeAllclose(
    [0, 7, 14, 21, 28, 35].reduce((sum, i) => sum + covariance[i]!, 0),
    1e-13,
  );
});

test('batches of any sizes, and merged parts, give the statistics of the whole set', () => {
  const rows = randomRows(1, 601, 70, 0.5, 3); // more than two chunks of 256
  const whole = featureStatistics(rows);
  const batched = new FeatureStatistics();
  for (let start = 0, size = 1; start < 601; start += size, size = Math.min(2 * size, 601 - start)) {
    batched.add(someRows(rows, start, size));
  }
  const merged = new FeatureStatistics().merge(new FeatureStatistics());
  for (const [start, size] of [
    [0, 100],
    [100, 1],
    [101, 500],
  ] as const) {
    merged.merge(new FeatureStatistics().add(someRows(rows, start, size)));
  }
  for (const statistics of [batched, merged]) {
    expect(statistics.count).toBe(601);
    expect(statistics.mean()).toBeAllclose(whole.mean(), 1e-13);
    expect(statistics.covariance()).toBeAllclose(whole.covariance(), 1e-13);
  }
  expect(merged.merge(new FeatureStatistics()).count).toBe(601);
});

test('a mean far away does not cost the covariance its digits', () => {
  const near = randomRows(2, 50, 3);
  const far = featureRows(
    Float64Array.from(near.values, (value) => Math.round(value * 2 ** 20) / 2 ** 20 + 1e6),
    3,
  );
  const exact = featureRows(
    Float64Array.from(far.values, (value) => value - 1e6),
    3,
  );
  const streamed = new FeatureStatistics();
  for (let i = 0; i < 50; i++) streamed.add(someRows(far, i, 1));
  expect(streamed.covariance()).toBeAllclose(featureStatistics(exact).covariance(), 1e-8);
});

test('what is returned is the caller’s', () => {
  const statistics = featureStatistics(randomRows(3, 10, 2));
  const [mean, covariance] = [statistics.mean(), statistics.covariance()];
  statistics.mean().fill(0);
  statistics.covariance().fill(0);
  expect(statistics.mean()).toEqual(mean);
  expect(statistics.covariance()).toEqual(covariance);
});

test('saved statistics are loaded, and go on', () => {
  const rows = randomRows(4, 40, 5);
  const saved = featureStatistics(someRows(rows, 0, 30)).save();
  const { tensors } = readSafetensors(saved);
  expect([...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
    ['mean', 'F64', [5]],
    ['covariance', 'F64', [5, 5]],
    ['count', 'F64', []],
  ]);
  const loaded = FeatureStatistics.load(saved);
  expect(loaded.save()).toEqual(saved);
  const whole = featureStatistics(rows);
  loaded.add(someRows(rows, 30, 10));
  expect(loaded.count).toBe(40);
  expect(loaded.mean()).toBeAllclose(whole.mean(), 1e-13);
  expect(loaded.covariance()).toBeAllclose(whole.covariance(), 1e-13);
});

describe('errors', () => {
  const two = randomRows(5, 2, 3);
  const asRows = (values: number[], dimension: number) => featureRows(Float64Array.from(values), dimension);

  test('of too few samples', () => {
    const one = new FeatureStatistics().add(someRows(two, 0, 1));
    expect(() => featureStatistics(someRows(two, 0, 1))).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: featureStatistics: rows must be at least 2 samples, got 1]`,
    );
    expect(() => new FeatureStatistics().mean()).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: FeatureStatistics.mean: samples must be at least 1, got 0]`,
    );
    expect(() => one.covariance()).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: FeatureStatistics.covariance: samples must be at least 2, got 1]`,
    );
    expect(() => one.totalVariance()).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: FeatureStatistics.totalVariance: samples must be at least 2, got 1]`,
    );
    expect(() => one.save()).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: FeatureStatistics.covariance: samples must be at least 2, got 1]`,
    );
    expect(one.mean()).toEqual(Float64Array.from(two.values.slice(0, 3)));
  });

  test('of the dimension', () => {
    const statistics = featureStatistics(two);
    expect(() => statistics.add(randomRows(6, 2, 4))).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: FeatureStatistics.add: dimension of rows must be 3, got 4]`,
    );
    expect(() => statistics.merge(featureStatistics(randomRows(6, 2, 4)))).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: FeatureStatistics.merge: dimension of other must be 3, got 4]`,
    );
    expect(() => asRows([1, 2, 3], 2)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: featureRows: number of values must be a multiple of dimension 2, got 3]`,
    );
    expect(() => asRows([1, 2, 3], 0)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: featureRows: dimension must be an integer >= 1, got 0]`,
    );
    const wrong: FeatureRows = { count: 3, dimension: 2, values: new Float64Array(4) };
    expect(() => featureStatistics(wrong)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: featureStatistics: number of values of rows must be 3 x 2, got 4]`,
    );
    expect(statistics.count).toBe(2);
  });

  test('of features that are not finite', () => {
    expect(() => asRows([1, 2, Number.NaN, 4], 2)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: featureRows: values[1, 0] must be finite, got NaN]`,
    );
    const wrong: FeatureRows = { count: 2, dimension: 2, values: Float64Array.of(1, 2, 3, Infinity) };
    expect(() => featureStatistics(wrong)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: featureStatistics: rows[1, 1] must be finite, got Infinity]`,
    );
  });

  test('of files', () => {
    const good = readSafetensors(featureStatistics(two).save()).tensors;
    const load = (changes: Record<string, TensorView | null>) => {
      const tensors = new Map(good);
      for (const [name, view] of Object.entries(changes)) {
        if (view) tensors.set(name, view);
        else tensors.delete(name);
      }
      return FeatureStatistics.load(writeSafetensors(tensors));
    };
    const f64 = (values: number[], shape: number[]) => float64View(Float64Array.from(values), shape);
    expect(load({ mean: float32View(Float32Array.of(1, 2, 3), [3]) }).mean()).toEqual(Float64Array.of(1, 2, 3));
    expect(() => load({ count: null })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: FeatureStatistics.load: tensors must be mean, covariance and count, got ["mean", "covariance"]]`,
    );
    expect(() => load({ mean: f64([1, 2], [2]) })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: FeatureStatistics.load: covariance must be [2, 2], got [3, 3]]`,
    );
    expect(() => load({ mean: f64([1], []) })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: FeatureStatistics.load: mean must be [1], got []]`,
    );
    expect(() => load({ count: f64([1], []) })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: FeatureStatistics.load: count must be an integer >= 2, got 1]`,
    );
    expect(() => load({ mean: f64([1, Number.NaN, 0], [3]) })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: FeatureStatistics.load: element 1 of mean must be finite, got NaN]`,
    );
    expect(() => load({ covariance: f64([1, 0, 0, 2, 1, 0, 0, 0, 1], [3, 3]) })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: FeatureStatistics.load: covariance[1, 0] and [0, 1] must be equal, and >= 0 on the diagonal, got [2, 0]]`,
    );
    expect(() => load({ covariance: f64([1, 0, 0, 0, -1, 0, 0, 0, 1], [3, 3]) })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: FeatureStatistics.load: covariance[1, 1] and [1, 1] must be equal, and >= 0 on the diagonal, got [-1, -1]]`,
    );
    expect(() => FeatureStatistics.load(new Uint8Array(4))).toThrowErrorMatchingInlineSnapshot(
      `[CheckpointError: readSafetensors: file must be at least 8 bytes, got 4]`,
    );
  });
});
