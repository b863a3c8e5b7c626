import { expect, test } from 'vitest';
import { float16Table, float16ToFloat32Bits, float32ToFloat16Bits } from './float16';
import { seededIntegers } from './testing';

const bits = new Uint32Array(1);
const value = new Float32Array(bits.buffer);

/** IEEE 754-2008, section 3.4, as arithmetic. */
function definition(half: number): number {
  const sign = half >> 15 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25));
}

function encode(x: number): number {
  value[0] = x;
  return float32ToFloat16Bits(bits[0]!);
}

test('all 65,536 patterns decode to what the standard defines', () => {
  const wrong = [];
  for (let half = 0; half < 0x10000; half++) {
    bits[0] = float16ToFloat32Bits(half);
    if (!Object.is(value[0], definition(half))) wrong.push(half);
  }
  expect(wrong).toEqual([]);
});

test('all 65,536 patterns, NaN payloads too, come back from float32 unchanged', () => {
  const table = float16Table();
  const wrong = [];
  for (let half = 0; half < 0x10000; half++) if (float32ToFloat16Bits(table[half]!) !== half) wrong.push(half);
  expect(wrong).toEqual([]);
});

test('between every two neighbours, values round to the nearer and the midpoint to the even one', () => {
  const wrong = [];
  for (let half = 0; half < 0x7bff; half++) {
    // All three are exact in float32: a midpoint has one bit more than a half.
    const middle = (definition(half) + definition(half + 1)) / 2;
    value[0] = middle;
    const middleBits = bits[0]!;
    const even = half + (half & 1);
    if (float32ToFloat16Bits(middleBits) !== even) wrong.push(['tie', half]);
    if (float32ToFloat16Bits(middleBits - 1) !== half) wrong.push(['below', half]);
    if (float32ToFloat16Bits(middleBits + 1) !== half + 1) wrong.push(['above', half]);
    if (encode(-middle) !== (even | 0x8000)) wrong.push(['negative', half]);
  }
  expect(wrong).toEqual([]);
});

test('values beyond the largest half become infinity from 65520 on', () => {
  expect(encode(65504)).toBe(0x7bff);
  expect(encode(65519.99609375)).toBe(0x7bff);
  expect(encode(65520)).toBe(0x7c00);
  expect(encode(-65520)).toBe(0xfc00);
  expect(encode(3.4e38)).toBe(0x7c00);
  expect(encode(Number.NEGATIVE_INFINITY)).toBe(0xfc00);
});

test('values up to 2^-25 become zero with their sign', () => {
  expect(encode(2 ** -25)).toBe(0);
  expect(encode(-(2 ** -25))).toBe(0x8000);
  expect(encode(1e-45)).toBe(0);
  expect(encode(-0)).toBe(0x8000);
});

test('no NaN becomes infinity, and its sign stays', () => {
  expect(float32ToFloat16Bits(0x7f800001)).toBe(0x7e00);
  expect(float32ToFloat16Bits(0xff800001)).toBe(0xfe00);
  expect(float32ToFloat16Bits(0x7fc00000)).toBe(0x7e00);
});

test('the rounding error of random patterns is at most half a unit in the last place', () => {
  const random = seededIntegers(1);
  for (let i = 0; i < 20_000; i++) {
    bits[0] = (random(0x10000) << 16) | random(0x10000);
    const x = value[0]!;
    if (Number.isNaN(x) || Math.abs(x) >= 65520) continue;
    const unit = 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x))), -14) - 10);
    expect(Math.abs(definition(float32ToFloat16Bits(bits[0]!)) - x)).toBeLessThanOrEqual(unit / 2);
  }
});
