import { expect, test } from 'vitest';
import { swapToHostOrder } from './byte-order';

test('on a little-endian host the copy is the same bytes in memory of its own', () => {
  const buffer = Buffer.from([1, 2, 3, 4]);
  const copy = swapToHostOrder(buffer.subarray(1), 1, true);
  buffer[1] = 9;
  expect([...copy]).toEqual([2, 3, 4]);
  expect(copy.byteOffset).toBe(0);
  expect([...swapToHostOrder(Uint8Array.of(1, 2, 3, 4), 2, true)]).toEqual([1, 2, 3, 4]);
});

test('on a big-endian host the bytes of each element are reversed', () => {
  const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  expect([...swapToHostOrder(bytes, 1, false)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect([...swapToHostOrder(bytes, 2, false)]).toEqual([2, 1, 4, 3, 6, 5, 8, 7]);
  expect([...swapToHostOrder(bytes, 8, false)]).toEqual([8, 7, 6, 5, 4, 3, 2, 1]);
});

test('the host is asked for its byte order', () => {
  const value = new Float32Array(swapToHostOrder(Uint8Array.of(0, 0, 0x80, 0x3f), 4).buffer)[0];
  expect(value).toBe(1);
});
