import { expect, test } from 'vitest';
import { toFloat32, toFloat64, toInt32 } from './decode';
import { bfloat16View, float16View, float32View, float64View, int32View } from './encode';
import { float16Table } from './float16';
import { readSafetensors } from './read-safetensors';
import { goldenBytes } from './testing';

const { tensors } = readSafetensors(goldenBytes('dtypes.safetensors'));

test('float16View rounds as numpy does', () => {
  const x = tensors.get('x')!;
  expect(x.shape[0]).toBeGreaterThan(900);
  const golden = tensors.get('x/f16')!;
  expect(golden.dtype).toBe('F16');
  expect(float16View(toFloat32(x), x.shape).data).toEqual(new Uint8Array(golden.data));
});

test('bfloat16View rounds as ml_dtypes does', () => {
  const x = tensors.get('x')!;
  const golden = tensors.get('x/bf16')!;
  expect(golden.dtype).toBe('BF16');
  expect(bfloat16View(toFloat32(x), x.shape).data).toEqual(new Uint8Array(golden.data));
});

test.each<['F16' | 'BF16', typeof float16View]>([
  ['F16', float16View],
  ['BF16', bfloat16View],
])('all 65,536 patterns of %s survive decoding and encoding', (dtype, encode) => {
  const data = new Uint8Array(Uint16Array.from({ length: 0x10000 }, (_, i) => i).buffer);
  const shape = [256, 256];
  const again = encode(toFloat32({ dtype, shape, data }), shape);
  expect([again.dtype, again.shape]).toEqual([dtype, shape]);
  expect(Buffer.compare(again.data, data)).toBe(0);
});

test('views are little-endian copies that decode to the same values', () => {
  const values = Float32Array.of(9, 1, -2.5, 3e-20).subarray(1);
  const view = float32View(values, [3, 1]);
  expect(view).toEqual({
    dtype: 'F32',
    shape: [3, 1],
    data: Uint8Array.of(0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0, 0xc6, 0xab, 0x0d, 0x1f),
  });
  const before = [...values];
  values.fill(0);
  expect([...toFloat32(view)]).toEqual(before);
  expect([...toFloat64(float64View(Float64Array.of(Math.PI), []))]).toEqual([Math.PI]);
  expect([...toInt32(int32View(Int32Array.of(-(2 ** 31), 7), [2]))]).toEqual([-(2 ** 31), 7]);
});

test('the data of float16View is of a part of an array where it is given one', () => {
  const values = Float32Array.of(5, 1, 2).subarray(1);
  expect([...toFloat32(float16View(values, [2]))]).toEqual([1, 2]);
});

test('NaN payloads of float32 are kept by decoding and encoding', () => {
  const data = new Uint8Array(Uint32Array.of(0x7f800001, 0xffc12345).buffer);
  expect(float32View(toFloat32({ dtype: 'F32', shape: [2], data }), [2]).data).toEqual(data);
});

test('each encoder refuses a shape of another size', () => {
  expect(() => float64View(new Float64Array(3), [2])).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: float64View: data must be 2 values for shape [2], got 3]`,
  );
  expect(() => float32View(new Float32Array(3), [3, 3])).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: float32View: data must be 9 values for shape [3, 3], got 3]`,
  );
  expect(() => float16View(new Float32Array(3), [])).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: float16View: data must be 1 values for shape [], got 3]`,
  );
  expect(() => bfloat16View(new Float32Array(3), [4])).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: bfloat16View: data must be 4 values for shape [4], got 3]`,
  );
  expect(() => int32View(new Int32Array(3), [1.5, 2])).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: int32View: shape must be integers >= 0 with a product below 2^53, got [1.5, 2]]`,
  );
});

test('the float16 table is made once', () => {
  expect(float16Table()).toBe(float16Table());
});
