import { integerArray, randomKey } from '@sd/core';
import { expect, test } from 'vitest';
import { MinHeap } from './min-heap';

test('numbers come out by size, whenever they went in', () => {
  const heap = new MinHeap();
  expect(heap.pop()).toBeUndefined();
  const numbers = [...integerArray(randomKey(1), 300, 50)];
  const [first, second] = [numbers.slice(0, 200), numbers.slice(200)];
  for (const value of first) heap.push(value);
  const taken = Array.from({ length: 100 }, () => heap.pop());
  const sorted = first.sort((a, b) => a - b);
  expect(taken).toEqual(sorted.slice(0, 100));
  for (const value of second) heap.push(value);
  const rest = [...sorted.slice(100), ...second].sort((a, b) => a - b);
  expect(Array.from({ length: 200 }, () => heap.pop())).toEqual(rest);
  expect(heap.pop()).toBeUndefined();
});
