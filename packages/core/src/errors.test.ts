import { expect, test } from 'vitest';
import { ArgumentError, formatValue, ShapeError, SpectralDiffusionError } from './errors';

test('an ArgumentError names the operation, the argument, what was expected and what came', () => {
  const error = new ArgumentError('ddimStep', 'eta', 'a number in [0, 1]', 2);
  expect(error.message).toMatchInlineSnapshot(`"ddimStep: eta must be a number in [0, 1], got 2"`);
  expect(error.name).toBe('ArgumentError');
  expect(error).toBeInstanceOf(SpectralDiffusionError);
  expect(error).toBeInstanceOf(Error);
});

test('a ShapeError writes shapes as lists', () => {
  const error = new ShapeError('haarDwt2d', 'x', '[N, even, even, C]', [1, 7, 8, 4]);
  expect(error.message).toMatchInlineSnapshot(`"haarDwt2d: x must be [N, even, even, C], got [1, 7, 8, 4]"`);
  expect(error.name).toBe('ShapeError');
  expect(error).toBeInstanceOf(SpectralDiffusionError);
});

test('formatValue writes values on one line', () => {
  const values = ['a\nb', 1.5, Number.NaN, null, undefined, true, [1, 'x', [2]], { a: [1] }, Float32Array.of(0.5, 1)];
  expect(values.map(formatValue)).toEqual([
    '"a\\nb"',
    '1.5',
    'NaN',
    'null',
    'undefined',
    'true',
    '[1, "x", [2]]',
    '{"a":[1]}',
    '[0.5, 1]',
  ]);
  expect(formatValue(Math.sqrt)).toBe('function sqrt');
  expect(formatValue(() => 0)).toBe('function');
});

test('formatValue cuts long values', () => {
  const text = formatValue(new Float64Array(1000));
  expect(text).toHaveLength(203);
  expect(text.endsWith('...')).toBe(true);
});
