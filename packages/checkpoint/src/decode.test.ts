import { describe, expect, test } from 'vitest';
import { asFloat32, toFloat32, toFloat64, toInt32 } from './decode';
import { readSafetensors } from './read-safetensors';
import { bytesPerElement, type DType, type TensorView } from './tensor-view';
import { goldenBytes } from './testing';

const { tensors } = readSafetensors(goldenBytes('dtypes.safetensors'));
const golden = (name: string): TensorView => tensors.get(name)!;
const rows = (dtype: DType, ...data: number[]): TensorView => ({
  dtype,
  shape: [data.length / bytesPerElement(dtype)],
  data: Uint8Array.from(data),
});

test.each(['f8_e4m3', 'f8_e5m2'])('all 256 patterns of %s decode as in ml_dtypes', (name) => {
  const decoded = toFloat32(golden(name));
  expect(decoded.length).toBe(256);
  expect(decoded).toEqual(toFloat32(golden(`${name}/f32`)));
});

test('F64 rounds to float32 as in numpy', () => {
  expect(toFloat32(golden('f64'))).toEqual(toFloat32(golden('f64/f32')));
});

test.each([8, 16, 32])('%i-bit integers decode exactly, their extremes too', (bits) => {
  const max = 2 ** (bits - 1) - 1;
  const signed = [-max - 1, Math.floor(max / 3), max - 1, max, 0, 1];
  expect([...toFloat64(golden(`int${bits}`))]).toEqual(signed);
  expect([...toInt32(golden(`int${bits}`))]).toEqual(signed);
  expect([...toFloat32(golden(`int${bits}`))]).toEqual(signed.map(Math.fround));
  const unsigned = [0, Math.floor((2 * max + 1) / 3), 2 * max, 2 * max + 1, 0, 1];
  expect([...toFloat64(golden(`uint${bits}`))]).toEqual(unsigned);
  expect([...toFloat32(golden(`uint${bits}`))]).toEqual(unsigned.map(Math.fround));
  if (bits < 32) expect([...toInt32(golden(`uint${bits}`))]).toEqual(unsigned);
});

test('64-bit integers decode to the nearest float64', () => {
  expect([...toFloat64(golden('int64'))]).toEqual([-(2 ** 63), Number(2n ** 63n / 3n), 2 ** 63, 2 ** 63, 0, 1]);
  expect([...toFloat64(golden('uint64'))]).toEqual([0, Number(2n ** 64n / 3n), 2 ** 64, 2 ** 64, 0, 1]);
  expect([...toFloat32(golden('uint64'))]).toEqual([0, Math.fround(2 ** 64 / 3), 2 ** 64, 2 ** 64, 0, 1]);
});

test('BOOL decodes to 0 and 1, whatever the byte', () => {
  expect([...toFloat32(golden('bool'))]).toEqual([1, 0, 1]);
  expect([...toInt32(rows('BOOL', 0, 1, 2, 255))]).toEqual([0, 1, 1, 1]);
});

test('toInt32 takes 64-bit integers that fit', () => {
  expect([...toInt32(rows('I64', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0, 0, 0, 0, 0))]).toEqual([
    -1, 3,
  ]);
});

test('scalars and empty tensors decode to one and no value', () => {
  expect([...toFloat32(golden('scalar'))]).toEqual([2.5]);
  expect(golden('scalar').shape).toEqual([]);
  expect(toFloat32(golden('empty')).length).toBe(0);
  expect(golden('empty').shape).toEqual([0, 3]);
});

test('data at any alignment decodes, and results have memory of their own', () => {
  const bytes = new Uint8Array(9);
  new DataView(bytes.buffer).setFloat32(1, 1.5, true);
  new DataView(bytes.buffer).setFloat32(5, -2, true);
  const view: TensorView = { dtype: 'F32', shape: [2], data: bytes.subarray(1) };
  const decoded = toFloat32(view);
  expect([...decoded]).toEqual([1.5, -2]);
  decoded.fill(7);
  expect([...toFloat32(view)]).toEqual([1.5, -2]);
  expect(toFloat64(golden('f64'))).not.toBe(toFloat64(golden('f64')));
});

test('each decoder refuses data of another length', () => {
  const view: TensorView = { dtype: 'F16', shape: [2, 2], data: new Uint8Array(7) };
  expect(() => toFloat32(view)).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: toFloat32: view data must be 8 bytes for F16 [2, 2], got 7]`,
  );
  expect(() => toFloat64(view)).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: toFloat64: view data must be 8 bytes for F16 [2, 2], got 7]`,
  );
  expect(() => toInt32({ ...view, dtype: 'I16' })).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: toInt32: view data must be 8 bytes for I16 [2, 2], got 7]`,
  );
});

test('toInt32 refuses floating-point types and integers beyond int32', () => {
  expect(() => toInt32(golden('x/f16'))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: toInt32: view dtype must be an integer type or BOOL, got F16]`,
  );
  expect(() => toInt32(golden('f8_e4m3'))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: toInt32: view dtype must be an integer type or BOOL, got F8_E4M3]`,
  );
  expect(() => toInt32(golden('uint32'))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: toInt32: view element 2 must be within -2^31 .. 2^31 - 1, got 4294967294]`,
  );
  expect(() => toInt32(golden('int64'))).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: toInt32: view element 0 must be within -2^31 .. 2^31 - 1, got -9223372036854775808]`,
  );
});

describe('asFloat32', () => {
  const values = Float32Array.of(1.5, -2, Number.NaN);
  const bytes = new Uint8Array(values.buffer);

  test('shares the memory of aligned F32', () => {
    const floats = asFloat32({ dtype: 'F32', shape: [3], data: bytes });
    expect(floats).toEqual(values);
    expect(floats.buffer).toBe(values.buffer);
    expect(floats.byteOffset).toBe(0);
  });

  test('copies what is not aligned, and decodes other types', () => {
    const shifted = new Uint8Array(13);
    shifted.set(bytes, 1);
    expect(asFloat32({ dtype: 'F32', shape: [3], data: shifted.subarray(1) })).toEqual(values);
    expect(asFloat32({ dtype: 'F16', shape: [1], data: Uint8Array.of(0, 0x3e) })).toEqual(Float32Array.of(1.5));
  });

  test('refuses data whose length is another', () => {
    expect(() => asFloat32({ dtype: 'F32', shape: [2], data: bytes })).toThrowErrorMatchingInlineSnapshot(
      `[CheckpointError: asFloat32: view data must be 8 bytes for F32 [2], got 12]`,
    );
    expect(() => asFloat32({ dtype: 'F32', shape: [4], data: bytes })).toThrowErrorMatchingInlineSnapshot(
      `[CheckpointError: asFloat32: view data must be 16 bytes for F32 [4], got 12]`,
    );
  });
});
