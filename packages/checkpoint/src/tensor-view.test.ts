import { expect, test } from 'vitest';
import { bytesPerElement, checkView, DTYPES, type DType, describeShape, elementCount, isDType } from './tensor-view';

test('the width of an element is the number in its name, over 8, and 1 byte for BOOL', () => {
  for (const dtype of DTYPES) {
    const bits = dtype === 'BOOL' ? 8 : Number(/\d+/.exec(dtype)![0]);
    expect(bytesPerElement(dtype), dtype).toBe(bits / 8);
  }
  expect(DTYPES.length).toBe(15);
});

test('isDType knows its names and no others', () => {
  expect(DTYPES.every(isDType)).toBe(true);
  expect(['f32', 'F4', '', '__proto__', 'toString'].some(isDType)).toBe(false);
});

test('the element count is the product of the shape, and none where that is not a safe integer', () => {
  expect(elementCount([])).toBe(1);
  expect(elementCount([2, 3, 4])).toBe(24);
  expect(elementCount([7, 0, 5])).toBe(0);
  expect(elementCount([Number.MAX_SAFE_INTEGER])).toBe(Number.MAX_SAFE_INTEGER);
  expect(elementCount([2 ** 53])).toBeUndefined();
  expect(elementCount([2 ** 27, 2 ** 26])).toBeUndefined();
  expect(elementCount([2 ** 40, 2 ** 40, 0])).toBeUndefined();
  expect(elementCount([-1])).toBeUndefined();
  expect(elementCount([1.5])).toBeUndefined();
  expect(elementCount([Number.NaN])).toBeUndefined();
});

test('a view is checked for its dtype, shape and length', () => {
  const data = new Uint8Array(8);
  expect(checkView('op', 'view', { dtype: 'F32', shape: [2], data })).toBe(2);
  expect(() => checkView('op', 'view', { dtype: 'F32', shape: [3], data })).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: op: view data must be 12 bytes for F32 [3], got 8]`,
  );
  expect(() => checkView('op', 'view', { dtype: 'F32', shape: [-2], data })).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: op: view shape must be integers >= 0 with a product below 2^53, got [-2]]`,
  );
  const dtype = 'float32' as DType;
  expect(() => checkView('op', 'view', { dtype, shape: [2], data })).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: op: view dtype must be one of F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, I32, I16, I8, U64, U32, U16, U8, BOOL, got "float32"]`,
  );
  expect(() => bytesPerElement(dtype)).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: bytesPerElement: dtype must be one of F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, I32, I16, I8, U64, U32, U16, U8, BOOL, got "float32"]`,
  );
});

test('a long shape is cut in messages', () => {
  expect(describeShape([])).toBe('[]');
  expect(describeShape([1, 2, 3, 4, 5, 6, 7, 8])).toBe('[1, 2, 3, 4, 5, 6, 7, 8]');
  expect(describeShape(new Array(64).fill(1))).toBe('[1, 1, 1, 1, 1, 1, 1, 1, ... (64 dimensions)]');
});
