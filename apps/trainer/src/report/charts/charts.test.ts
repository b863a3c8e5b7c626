import { describe, expect, test } from 'vitest';
import { extent, logTicks, roundUp } from './axes';
import { renderChart } from './render-chart';
import { smooth, thin } from './smooth';
import { decibelsOver, meanHighDecibels } from './spectrum-lines';

describe('logTicks', () => {
  test('divides few decades by 1, 2, 5 and labels many sparsely', () => {
    const values = (min: number, max: number) => logTicks(min, max).map((tick) => Number((10 ** tick).toPrecision(3)));
    expect(values(-0.6, 0.1)).toEqual([0.3, 0.5, 0.7, 1]);
    expect(values(-0.1, 0.18)).toEqual([0.8, 0.9, 1, 1.2, 1.4]);
    expect(values(-2, 0)).toEqual([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]);
    expect(values(-3, 3)).toEqual([1e-3, 1e-2, 0.1, 1, 10, 100, 1e3]);
    expect(logTicks(-10, 10)).toEqual([-9, -6, -3, 0, 3, 6, 9]);
  });
});

test('an axis covers the finite values with some room, and something where there is none', () => {
  expect(extent([3, null, 1, Number.NaN, 2], 0.5)).toEqual({ min: 0, max: 4 });
  expect(extent([2, 2], 0.5)).toEqual({ min: 1.5, max: 2.5 });
  expect(extent([null], 0.5)).toEqual({ min: 0, max: 1 });
  expect([1, 9, 599, 600, 999, 1234, 12_000].map(roundUp)).toEqual([1, 9, 600, 600, 1000, 1300, 12_000]);
});

describe('smooth', () => {
  test('keeps what is constant, over gaps too, and does not lag behind a line', () => {
    const constant = smooth([2, 2, null, 2, 2]);
    for (const value of constant) expect(value).toBeCloseTo(2, 12);
    const line = smooth(Array.from({ length: 101 }, (_, i) => i));
    expect(line[50]).toBeCloseTo(50, 9);
    expect(smooth([null, null])).toEqual([null, null]);
  });

  test('is the Gaussian mean', () => {
    const e = Math.exp(-0.5);
    const f = Math.exp(-2);
    expect(smooth([1, 0, 0])[0]).toBeCloseTo(1 / (1 + e + f), 12);
    expect(smooth([1, 0, 0])[1]).toBeCloseTo(e / (1 + 2 * e), 12);
  });
});

test('thin averages neighbors and keeps the mean', () => {
  const points = Array.from({ length: 10 }, (_, i) => ({ step: i + 1, value: i }));
  expect(thin(points, 5)).toEqual([1, 3, 5, 7, 9].map((i, k) => ({ step: 2 * k + 2, value: i - 0.5 })));
  expect(thin(points, 10)).toEqual(points);
});

test('decibels over the data are 10 log10 of the ratio, their mean over r >= 0.25 alone', () => {
  const data = { frequency: [0, 0.25, 0.5, 0.9], power: [4, 1, 2, 5] };
  const spectrum = { frequency: data.frequency, power: [400, 10, 0.2, 0.05] };
  const decibels = decibelsOver(spectrum, data);
  [20, 10, -10, -20].forEach((expected, i) => {
    expect(decibels[i]).toBeCloseTo(expected, 9);
  });
  expect(meanHighDecibels(spectrum, data)).toBeCloseTo(-20 / 3, 9);
  expect(decibelsOver({ ...spectrum, power: [0, 1, 1, 1] }, data)[0]).toBeNaN();
});

test('a chart is an svg without styles, scripts, links or size, the same each time, with its own ids', () => {
  const option = {
    xAxis: { type: 'value' },
    yAxis: { type: 'value' },
    series: [
      {
        type: 'line',
        data: [
          [0, 1],
          [1, 2],
        ],
        lineStyle: { color: 'var(--sd)' },
      },
    ],
  };
  const svg = renderChart('mine', option);
  expect(svg).toMatch(/^<svg aria-hidden="true" focusable="false" viewBox="0 0 420 280">/);
  expect(svg).toContain('stroke="var(--sd)"');
  expect(svg).not.toMatch(/<style|<script|href|http|zr\d/);
  expect(svg).toMatch(/clip-path="url\(#mine-c\d+\)"/);
  expect(renderChart('mine', option)).toBe(svg);
});
