import { expect, test } from 'vitest';
import { bfloat16ToFloat32Bits, float32ToBfloat16Bits } from './bfloat16';

test('all 65,536 patterns, NaN payloads too, come back from float32 unchanged', () => {
  const wide = bfloat16ToFloat32Bits(Uint16Array.from({ length: 0x10000 }, (_, i) => i));
  const wrong = [];
  for (let i = 0; i < wide.length; i++) if (float32ToBfloat16Bits(wide[i]!) !== i) wrong.push(i);
  expect(wrong).toEqual([]);
});

test('between every two neighbours, values round to the nearer and the midpoint to the even one', () => {
  const wrong = [];
  for (let i = 0; i < 0x7f80; i++) {
    const middle = i * 0x10000 + 0x8000;
    if (float32ToBfloat16Bits(middle) !== i + (i & 1)) wrong.push(['tie', i]);
    if (float32ToBfloat16Bits(middle - 1) !== i) wrong.push(['below', i]);
    if (float32ToBfloat16Bits(middle + 1) !== i + 1) wrong.push(['above', i]);
  }
  expect(wrong).toEqual([]);
});

test('the largest float32 values become infinity, and no NaN does', () => {
  expect(float32ToBfloat16Bits(0x7f7fffff)).toBe(0x7f80);
  expect(float32ToBfloat16Bits(0xff7fffff)).toBe(0xff80);
  expect(float32ToBfloat16Bits(0x7f800001)).toBe(0x7fc0);
  expect(float32ToBfloat16Bits(0xffffffff)).toBe(0xffff);
});
