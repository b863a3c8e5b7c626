import { randomKey } from '@sd/core';
import { describe, expect, test } from 'vitest';
import { normalInit, ones, torchDefaultInit, uniformInit, zeros } from './init';

const key = randomKey(5);
const SIZE = 20_000;

function moments(values: Float32Array): { mean: number; variance: number } {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return { mean, variance: values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length };
}

describe('initializers', () => {
  test("torchDefaultInit is PyTorch's kaiming_uniform(sqrt 5): uniform within 1 / sqrt(fanIn)", () => {
    const bound = 1 / Math.sqrt(27);
    const values = torchDefaultInit(27)(key, SIZE);
    const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    expect(largest).toBeLessThanOrEqual(Math.fround(bound));
    expect(largest).toBeGreaterThan(0.999 * bound);
    const { mean, variance } = moments(values);
    expect(Math.abs(mean)).toBeLessThan((4 * bound) / Math.sqrt(3 * SIZE));
    expect(Math.abs(variance / (bound ** 2 / 3) - 1)).toBeLessThan(4 * Math.sqrt(0.8 / SIZE)); // kurtosis 1.8
  });

  test('normalInit has mean 0 and its standard deviation', () => {
    const { mean, variance } = moments(normalInit(0.02)(key, SIZE));
    expect(Math.abs(mean)).toBeLessThan((4 * 0.02) / Math.sqrt(SIZE));
    expect(Math.abs(variance / 0.02 ** 2 - 1)).toBeLessThan(4 * Math.sqrt(2 / SIZE));
  });

  test('the key decides the values', () => {
    for (const initializer of [uniformInit(2), normalInit(1)]) {
      expect(initializer(key, 8)).toEqual(initializer(key, 8));
      expect(initializer(key, 8)).not.toEqual(initializer(randomKey(6), 8));
    }
  });

  test('zeros and ones', () => {
    expect(zeros(key, 3)).toEqual(Float32Array.of(0, 0, 0));
    expect(ones(key, 3)).toEqual(Float32Array.of(1, 1, 1));
  });
});
