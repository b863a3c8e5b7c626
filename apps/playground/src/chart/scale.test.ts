import { expect, test } from 'vitest';
import { linearScale, logScale } from './scale';

test('linear ticks are round numbers within the range', () => {
  expect(linearScale(0, 1).ticks.map(({ text }) => text)).toEqual(['0.0', '0.2', '0.4', '0.6', '0.8', '1.0']);
  expect(linearScale(-3, 1000).ticks.map(({ text }) => text)).toEqual(['0', '500', '1000']);
  expect(linearScale(0, 1).place(0.25)).toBe(0.25);
});

test('logarithmic ticks are decades, at most about five', () => {
  expect(logScale(1e-4, 100).ticks.map(({ text }) => text)).toEqual(['10⁻⁴', '0.01', '1', '100']);
  expect(logScale(1, 100).place(10)).toBe(0.5);
  expect(logScale(1e-4, 100).place(0)).toBe(0);
});

test('a range without a width is no division by zero', () => {
  expect(linearScale(2, 2).place(2)).toBe(0);
  expect(logScale(3, 3).place(3)).toBe(0);
});
