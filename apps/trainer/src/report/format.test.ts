import { expect, test } from 'vitest';
import {
  formatCount,
  formatDecibels,
  formatError,
  formatLogTick,
  formatMacs,
  formatParameters,
  formatRate,
  formatSeconds,
  formatShape,
  formatTimes,
} from './format';

test('sizes are written as the paper writes them', () => {
  expect([274_056_163, 22_411_843, 872_300_484, 1_450_000_000].map(formatParameters)).toEqual([
    '274.1 M',
    '22.4 M',
    '872.3 M',
    '1.4 G',
  ]);
  expect([96_016_000_000, 6_730_000_000, 1.2e12, 3_140_000].map(formatMacs)).toEqual([
    '96.02 G',
    '6.73 G',
    '1.20 T',
    '3.14 M',
  ]);
  expect([999, 1000, 999_949, 999_960].map(formatParameters)).toEqual(['999', '1.0 k', '999.9 k', '1.0 M']);
  expect([0, 7, 512].map(formatParameters)).toEqual(['0', '7', '512']);
});

test('rates have three digits, or all before the point', () => {
  expect([0.012345, 4.7123, 56.78, 123.4, 12_345.6].map(formatRate)).toEqual([
    '0.0123',
    '4.71',
    '56.8',
    '123',
    '12,346',
  ]);
});

test('seconds below ten have a decimal', () => {
  expect([0.04, 9.94, 9.96, 112.4, 3725].map(formatSeconds)).toEqual([
    '0.0 s',
    '9.9 s',
    '10 s',
    '1 min 52 s',
    '1 h 02 min',
  ]);
});

test('decibels bear their sign', () => {
  expect([1.26, -0.44, 0, -0.01].map(formatDecibels)).toEqual(['+1.3 dB', '−0.4 dB', '+0.0 dB', '+0.0 dB']);
});

test('a ratio reads well whichever is larger', () => {
  expect(formatTimes(12.23, 'slimmer', 'larger')).toBe('12.2× slimmer');
  expect(formatTimes(0.8, 'slimmer', 'larger')).toBe('1.3× larger');
  expect(formatTimes(1.004, 'slimmer', 'larger')).toBe('the same');
  expect(formatTimes(123.4, 'fewer', 'more')).toBe('123× fewer');
  for (const ratio of [0, Number.NaN, Number.POSITIVE_INFINITY]) expect(formatTimes(ratio, 'a', 'b')).toBeNull();
});

test('ticks of a logarithmic axis are plain numbers near 1 and powers elsewhere', () => {
  expect([-3, -2, Math.log10(0.05), 0, Math.log10(5), 3, 4, 12].map(formatLogTick)).toEqual([
    '10⁻³',
    '0.01',
    '0.05',
    '1',
    '5',
    '1000',
    '10⁴',
    '10¹²',
  ]);
});

test('what is not a number is a dash everywhere', () => {
  const all = [formatParameters, formatMacs, formatRate, formatError, formatDecibels, formatCount, formatSeconds];
  expect(new Set(all.map((format) => format(Number.NaN)))).toEqual(new Set(['—']));
  expect(formatShape([8, 8, 4])).toBe('8 × 8 × 4');
});
