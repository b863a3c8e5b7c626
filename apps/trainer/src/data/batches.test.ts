import { randomKey } from '@sd/core';
import { expect, test } from 'vitest';
import { BatchOrder } from './batches';

test('every example comes once in an epoch, in another order in the next', () => {
  const order = new BatchOrder(randomKey(1), 12, 4);
  const epochs = [0, 1, 2].map((epoch) => [0, 1, 2].flatMap((batch) => [...order.indices(3 * epoch + batch)]));
  for (const epoch of epochs) expect([...epoch].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect(epochs[0]).not.toEqual(epochs[1]);
  expect(epochs[1]).not.toEqual(epochs[2]);
});

test('a batch depends on the key and the step alone', () => {
  const all = new BatchOrder(randomKey(1), 7, 3);
  const batches = Array.from({ length: 9 }, (_, step) => all.indices(step));
  for (const step of [8, 2, 5, 0]) expect(new BatchOrder(randomKey(1), 7, 3).indices(step)).toEqual(batches[step]);
  expect(new BatchOrder(randomKey(2), 7, 3).indices(0)).not.toEqual(batches[0]);
});

test('a batch may be larger than the set', () => {
  const batch = [...new BatchOrder(randomKey(1), 2, 5).indices(0)];
  expect(batch.filter((i) => i === 0).length).toBeGreaterThanOrEqual(2);
  expect(batch.filter((i) => i === 1).length).toBeGreaterThanOrEqual(2);
});

test('with groups, an epoch mixes sixteen of them at a time, and has every example once', () => {
  const groups = Array.from({ length: 40 }, (_, i) => 3 + (i % 4));
  const length = groups.reduce((a, b) => a + b);
  const groupOf = groups.flatMap((size, group) => new Array<number>(size).fill(group));
  const order = new BatchOrder(randomKey(1), length, length, groups);
  const [first, second] = [[...order.indices(0)], [...order.indices(1)]];
  for (const epoch of [first, second]) expect([...epoch].sort((a, b) => a - b)).toEqual(groupOf.map((_, i) => i));
  expect(first).not.toEqual(second);
  const seen = (examples: readonly number[]) => new Set(examples.map((example) => groupOf[example]));
  const parts = [...seen(first)].length;
  expect(parts).toBe(40);
  const sizes = (from: number, to: number) => [...seen(first.slice(from, to))];
  // the first sixteen groups fill the epoch's beginning, and none of them comes later
  const beginning = sizes(0, 48);
  expect(beginning.length).toBeLessThanOrEqual(16);
  expect(beginning.length).toBeGreaterThan(8);
  const end = new Set(sizes(96, length));
  expect(beginning.filter((group) => end.has(group))).toEqual([]);
  // and its examples are mixed
  expect(first.slice(0, 48).some((example, i) => i > 0 && Math.abs(example - first[i - 1]) > 20)).toBe(true);
  expect(new BatchOrder(randomKey(1), length, 7, groups).indices(5)).toEqual(order.indices(0).slice(35, 42));
});
