import { expect, test } from 'vitest';
import { largestBatch, largestDivisor } from './largest-batch';

test.each([
  [64, 23],
  [64, 63],
  [64, 1],
  [64, 0],
  [7, 5],
  [1, 0],
])('of a batch of %i that does not fit, %i is the largest that does', async (wanted, limit) => {
  const tried: number[] = [];
  const fits = async (batch: number) => {
    tried.push(batch);
    return batch <= limit;
  };
  expect(await largestBatch(wanted, fits)).toBe(limit);
  expect(tried.length).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(wanted + 1)));
  expect(Math.max(0, ...tried)).toBeLessThan(wanted); // what is known not to fit is not tried again
});

test('small batches make up the whole', () => {
  expect([largestDivisor(64, 23), largestDivisor(30, 29), largestDivisor(7, 6), largestDivisor(8, 100)]).toEqual([
    16, 15, 1, 8,
  ]);
});
