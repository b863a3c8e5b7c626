import { expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { checkAlive, checkInteger, checkRange, checkShape } from './checks';

test('checkShape accepts exact sizes and named ones, and makes no tensor', async () => {
  const x = tf.zeros([2, 3, 4, 5]);
  await expectTensors(0, () => {
    checkShape('op', 'x', x, ['N', 'H', 'W', 'C']);
    checkShape('op', 'x', x, ['N', 3, 'W', 5]);
  });
  x.dispose();
});

test('checkShape refuses another size and another rank', () => {
  const x = tf.zeros([2, 3]);
  expect(() => checkShape('op', 'x', x, ['N', 4])).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: op: x must be [N, 4], got [2, 3]]`,
  );
  expect(() => checkShape('op', 'x', x, ['N'])).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: op: x must be [N], got [2, 3]]`,
  );
  expect(() => checkShape('op', 'x', x, [])).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: op: x must be [], got [2, 3]]`,
  );
  x.dispose();
});

test('a disposed tensor is named before tfjs fails on it', () => {
  const x = tf.zeros([2, 3]);
  checkAlive('op', 'x', x);
  x.dispose();
  expect(() => checkAlive('op', 'x', x)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: op: x must be a tensor that is not disposed, got [2, 3]]`,
  );
  expect(() => checkShape('op', 'x', x, ['N', 3])).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: op: x must be a tensor that is not disposed, got [2, 3]]`,
  );
});

test('checkInteger refuses fractions, small numbers, NaN and numbers that are not exact', () => {
  checkInteger('op', 'steps', 1);
  checkInteger('op', 'steps', 0, 0);
  expect(() => checkInteger('op', 'steps', 0)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: op: steps must be an integer >= 1, got 0]`,
  );
  expect(() => checkInteger('op', 'steps', 1.5)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: op: steps must be an integer >= 1, got 1.5]`,
  );
  expect(() => checkInteger('op', 'steps', -1, 0)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: op: steps must be an integer >= 0, got -1]`,
  );
  expect(() => checkInteger('op', 'steps', Number.NaN)).toThrow('got NaN');
  expect(() => checkInteger('op', 'steps', 2 ** 53)).toThrow('got 9007199254740992');
});

test('checkRange accepts its bounds and refuses what lies outside, NaN and infinities', () => {
  checkRange('op', 'eta', 0, 0, 1);
  checkRange('op', 'eta', 1, 0, 1);
  expect(() => checkRange('op', 'eta', -0.1, 0, 1)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: op: eta must be a number in [0, 1], got -0.1]`,
  );
  expect(() => checkRange('op', 'eta', 1.1, 0, 1)).toThrow('got 1.1');
  expect(() => checkRange('op', 'eta', Number.NaN, 0, 1)).toThrow('got NaN');
  expect(() => checkRange('op', 'eta', Number.POSITIVE_INFINITY, 0, Number.POSITIVE_INFINITY)).toThrow('got Infinity');
});
