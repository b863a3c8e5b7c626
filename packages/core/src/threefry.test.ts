import { expect, test } from 'vitest';
import { threefry2x32, threefryWords } from './threefry';

// Known answers of Random123 for threefry2x32 with 20 rounds: key, counter, result.
const known = [
  [
    [0x00000000, 0x00000000],
    [0x00000000, 0x00000000],
    [0x6b200159, 0x99ba4efe],
  ],
  [
    [0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x1cb996fc, 0xbb002be7],
  ],
  [
    [0x13198a2e, 0x03707344],
    [0x243f6a88, 0x85a308d3],
    [0xc4923a9c, 0x483df7a0],
  ],
] as const;

test('threefry2x32 gives the known answers of Random123', () => {
  for (const [key, counter, answer] of known) expect(threefry2x32(key, counter)).toEqual(answer);
});

test('threefryWords is threefry2x32 at the counters 0, 1, 2, ..., whole or cut at an odd count', () => {
  for (const [key] of known) {
    const expected = Array.from({ length: 50 }, (_, i) => threefry2x32(key, [0, i])).flat();
    expect(Array.from(threefryWords(key, 100))).toEqual(expected);
    expect(Array.from(threefryWords(key, 99))).toEqual(expected.slice(0, 99));
    expect(threefryWords(key, 0)).toHaveLength(0);
  }
});
