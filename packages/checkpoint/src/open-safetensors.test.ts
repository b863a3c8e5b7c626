import { expect, test } from 'vitest';
import { CheckpointError } from './checkpoint-error';
import { openSafetensors } from './open-safetensors';
import type { RangeSource } from './range-source';
import { readSafetensors } from './read-safetensors';
import type { TensorView } from './tensor-view';
import { fileOf, goldenBytes } from './testing';

type LoggedSource = RangeSource & { readonly reads: [offset: number, length: number][] };

function sourceOf(bytes: Uint8Array, size = bytes.length): LoggedSource {
  const reads: [number, number][] = [];
  return {
    size,
    reads,
    read: async (offset, length) => {
      reads.push([offset, length]);
      return bytes.slice(offset, offset + length);
    },
  };
}

const golden = goldenBytes('dtypes.safetensors');
const whole = readSafetensors(golden);
const plain = (view: TensorView | undefined) => view && { ...view, data: new Uint8Array(view.data) };

test('names, metadata and tensors are those of readSafetensors', async () => {
  const file = await openSafetensors(sourceOf(golden));
  expect(file.names).toEqual([...whole.tensors.keys()]);
  expect(file.metadata).toEqual(whole.metadata);
  const tensors: [string, unknown][] = [];
  for await (const [name, view] of file.tensors()) tensors.push([name, plain(view)]);
  expect(tensors).toEqual([...whole.tensors].map(([name, view]) => [name, plain(view)]));
});

test('opening reads the header alone, and a tensor its own bytes alone', async () => {
  const source = sourceOf(golden);
  const file = await openSafetensors(source);
  const headerLength = golden[0]! + 256 * golden[1]!;
  expect(source.reads).toEqual([
    [0, 8],
    [8, headerLength],
  ]);
  const { dtype, shape, dataOffsets } = file.info('f64');
  expect([dtype, shape]).toEqual(['F64', [5, 6]]);
  expect(source.reads.length).toBe(2);
  expect(plain(await file.tensor('f64'))).toEqual(plain(whole.tensors.get('f64')));
  expect(source.reads.slice(2)).toEqual([[8 + headerLength + dataOffsets[0], 240]]);
});

test('an empty tensor is not read', async () => {
  const source = sourceOf(golden);
  const file = await openSafetensors(source);
  expect(await file.tensor('empty')).toEqual({ dtype: 'F32', shape: [0, 3], data: new Uint8Array(0) });
  expect(source.reads.length).toBe(2);
});

test('tensors() reads one tensor at a time, and none after its reader stops', async () => {
  const source = sourceOf(golden);
  const file = await openSafetensors(source);
  expect(source.reads.length).toBe(2);
  for await (const _ of file.tensors()) {
    expect(source.reads.length).toBe(3);
    break;
  }
  expect(source.reads.length).toBe(3);
});

test('tensors beyond 4 GiB are read at their place', async () => {
  const far = 2 ** 33;
  const header = `{"a":{"dtype":"U8","shape":[${far}],"data_offsets":[0,${far}]},"b":{"dtype":"U8","shape":[1],"data_offsets":[${far},${far + 1}]}}`;
  const start = fileOf(header);
  const source: RangeSource = {
    size: start.length + far + 1,
    read: async (offset, length) =>
      offset === start.length + far ? Uint8Array.of(7) : start.slice(offset, offset + length),
  };
  const file = await openSafetensors(source);
  expect((await file.tensor('b')).data).toEqual(Uint8Array.of(7));
});

test('a header longer than the file is refused without reading it', async () => {
  const source = sourceOf(fileOf('{}', [], 99_999_999n));
  await expect(openSafetensors(source)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensors: header length must be at most the 2 bytes that follow it, got 99999999]`,
  );
  expect(source.reads).toEqual([[0, 8]]);
});

test('a bad header is refused as by readSafetensors', async () => {
  await expect(openSafetensors(sourceOf(new Uint8Array(0)))).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensors: file must be at least 8 bytes, got 0]`,
  );
  await expect(openSafetensors(sourceOf(fileOf('')))).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensors: header must be JSON, got its end at character 0]`,
  );
  await expect(openSafetensors(sourceOf(fileOf('{}', [1])))).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensors: data after the header must be 0 bytes, where the last tensor ends, got 1]`,
  );
});

test('a file cut at any byte is refused on opening', async () => {
  const bytes = fileOf('{"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}', [1, 2]);
  expect((await openSafetensors(sourceOf(bytes))).names).toEqual(['w']);
  for (let length = 0; length < bytes.length; length++) {
    await expect(openSafetensors(sourceOf(bytes.subarray(0, length)))).rejects.toThrow(CheckpointError);
  }
});

test('a source that gives less or more than it was asked for is refused', async () => {
  const bytes = fileOf('{"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}', [1, 2]);
  const cut = (length: number) => sourceOf(bytes.subarray(0, length), bytes.length);
  await expect(openSafetensors(cut(5))).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensors: header length must be 8 bytes at 0, got 5]`,
  );
  await expect(openSafetensors(cut(20))).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensors: header must be 53 bytes at 8, got 12]`,
  );
  const file = await openSafetensors(cut(bytes.length - 1));
  await expect(file.tensor('w')).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensors: tensor "w" data must be 2 bytes at 61, got 1]`,
  );
  const generous: RangeSource = { size: bytes.length, read: async () => bytes };
  await expect(openSafetensors(generous)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensors: header length must be 8 bytes at 0, got 63]`,
  );
});

test('a size that is none is refused', async () => {
  await expect(openSafetensors(sourceOf(golden, Number.NaN))).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensors: size must be an integer of 0 .. 2^53 - 1, got NaN]`,
  );
  await expect(openSafetensors(sourceOf(golden, -1))).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensors: size must be an integer of 0 .. 2^53 - 1, got -1]`,
  );
});

test('a name that the file lacks is refused, also one that every object has', async () => {
  const file = await openSafetensors(sourceOf(golden));
  expect(() => file.info('weight')).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensors: name must be one of the file's 20 tensors, got "weight"]`,
  );
  await expect(file.tensor('toString')).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensors: name must be one of the file's 20 tensors, got "toString"]`,
  );
});

test('what the source throws passes through', async () => {
  const failure = new Error('disk gone');
  await expect(openSafetensors({ size: 100, read: () => Promise.reject(failure) })).rejects.toBe(failure);
});
