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
