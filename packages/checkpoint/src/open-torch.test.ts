import { expect, test } from 'vitest';
import { openTorch } from './open-torch';
import type { RangeSource } from './range-source';
import { goldenBytes } from './testing';
import { bytesOf, op, storageId, tensorOf, torchZip } from './torch/testing';

type LoggedSource = RangeSource & { readonly reads: [offset: number, length: number][] };

function sourceOf(bytes: Uint8Array, size = bytes.length): LoggedSource {
  const reads: [number, number][] = [];
  return {
    size,
    reads,
    read: async (offset, length) => {
      reads.push([offset, length]);
      return new Uint8Array(bytes.subarray(offset, offset + length));
    },
  };
}

test('a tensor is read by its own bytes alone, a strided one by those that it spans', async () => {
  const storage = new Uint8Array(Float32Array.from({ length: 100 }, (_, i) => i).buffer);
  const shared = storageId('torch.FloatStorage', '0', 100);
  const pickle = op.dict(
    [op.text('row'), tensorOf(shared, [10], [1], 20)],
    [op.text('column'), tensorOf(shared, [3], [10], 5)],
    [op.text('empty'), tensorOf(shared, [0, 3], [3, 1])],
  );
  const source = sourceOf(torchZip(pickle, { 0: storage }));
  const file = await openTorch(source);
  const opened = source.reads.length;
  expect(file.info('column')).toEqual({ dtype: 'F32', shape: [3] });
  const row = await file.tensor('row');
  expect(new Float32Array(row.data.slice().buffer)).toEqual(Float32Array.from({ length: 10 }, (_, i) => 20 + i));
  const column = await file.tensor('column');
  expect(new Float32Array(column.data.slice().buffer)).toEqual(Float32Array.of(5, 15, 25));
  expect((await file.tensor('empty')).data.length).toBe(0);
  // The header before the storage once, then the ranges.
  expect(source.reads.slice(opened).map(([, length]) => length)).toEqual([30, 40, 84]);
});

test('the tensors beside the state dict are a file of their own', async () => {
  const file = await openTorch(sourceOf(goldenBytes('torch-lightning-legacy.ckpt')));
  expect(file.wrapper).toBe('state_dict');
  expect(file.others.names).toContain('optimizer_states.0.state.0.exp_avg');
  expect((await file.others.tensor('optimizer_states.0.state.0.exp_avg')).shape).toEqual([2, 2]);
  expect(file.metadata.epoch).toBe(3);
  expect(file.opaque.length).toBe(6);
});

test('a legacy file of which the pickles are longer than what is read first', async () => {
  const golden = goldenBytes('torch-tensors-legacy.pth');
  const magic = golden.subarray(0, 15);
  const text = 'x'.repeat(200_000);
  const object = bytesOf('\x80\x02', op.dict([op.text('note'), op.text(text)]), '.');
  const machine = bytesOf('\x80\x02', op.dict([op.text('little_endian'), bytesOf('\x88')]), '.');
  const bytes = bytesOf(magic, '\x80\x02M\xe9\x03.', machine, object, '\x80\x02].');
  const source = sourceOf(bytes);
  expect((await openTorch(source)).metadata.note).toBe(text);
  expect(Math.max(...source.reads.map(([, length]) => length))).toBeLessThan(300_000);
});

test('tensors beyond 4 GiB are read at their place', async () => {
  const far = 2 ** 33;
  const pickle = tensorOf(storageId('torch.ByteStorage', '0', 1), [1], [1]);
  const archive = torchZip(pickle, { 0: Uint8Array.of(7) });
  // The same archive, its entry of the storage and all after it 8 GiB further on.
  const storageAt = Buffer.from(archive).lastIndexOf('PK\x03\x04');
  const directoryAt = Buffer.from(archive).indexOf('PK\x01\x02');
  const wide = widened(archive.subarray(directoryAt), directoryAt, storageAt, far);
  const pieces: [number, Uint8Array][] = [
    [0, archive.subarray(0, storageAt)],
    [storageAt + far, bytesOf(archive.subarray(storageAt, directoryAt), wide)],
  ];
  const source: RangeSource = {
    size: directoryAt + far + wide.length,
    read: async (offset, length) => {
      const result = new Uint8Array(length);
      for (const [begin, piece] of pieces) {
        for (let i = Math.max(offset, begin); i < Math.min(offset + length, begin + piece.length); i++) {
          result[i - offset] = piece[i - begin]!;
        }
      }
      return result;
    },
  };
  const file = await openTorch(source);
  expect((await file.tensor('')).data).toEqual(Uint8Array.of(7));
});

/** A directory whose second entry and end lie `far` further on, in zip64 fields. */
function widened(directory: Uint8Array, directoryAt: number, storageAt: number, far: number): Uint8Array {
  const second = Buffer.from(directory).lastIndexOf('PK\x01\x02');
  const end = Buffer.from(directory).indexOf('PK\x05\x06');
  const first = directory.subarray(0, second);
  const entry = new Uint8Array(directory.subarray(second, end));
  const view = new DataView(entry.buffer);
  view.setUint16(30, 12, true);
  view.setUint32(42, 0xffffffff, true);
  const wide = (value: number) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
    return bytes;
  };
  const central = bytesOf(first, entry, '\x01\x00\x08\x00', wide(storageAt + far));
  const place = directoryAt + far;
  const end64 = bytesOf(
    'PK\x06\x06',
    wide(44),
    new Uint8Array(12),
    wide(2),
    wide(2),
    wide(central.length),
    wide(place),
  );
  const locator = bytesOf('PK\x06\x07', new Uint8Array(4), wide(place + central.length), '\x01\0\0\0');
  return bytesOf(central, end64, locator, 'PK\x05\x06', new Uint8Array(4), '\xff'.repeat(12), '\0\0');
}

test('a name that the file lacks is refused, also one that every object has', async () => {
  const file = await openTorch(sourceOf(goldenBytes('torch-module.pth')));
  expect(() => file.info('weight')).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openTorch: name must be one of the file's 5 tensors, got "weight"]`,
  );
  await expect(file.tensor('toString')).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openTorch: name must be one of the file's 5 tensors, got "toString"]`,
  );
});

test('a size that is none is refused', async () => {
  await expect(openTorch(sourceOf(new Uint8Array(1), Number.NaN))).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openTorch: size must be an integer of 0 .. 2^53 - 1, got NaN]`,
  );
});

test('a source that gives less than it was asked for is refused, and what it throws passes through', async () => {
  const golden = goldenBytes('torch-module.pth');
  const short: RangeSource = { size: golden.length, read: async () => new Uint8Array(1) };
  await expect(openTorch(short)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openTorch: start must be 262 bytes at 0, got 1]`,
  );
  const failure = new Error('disk gone');
  await expect(openTorch({ size: 100, read: () => Promise.reject(failure) })).rejects.toBe(failure);
});

test('a strided tensor far larger than its file is refused', async () => {
  const pickle = tensorOf(storageId('torch.ByteStorage', '0', 1), [2 ** 15, 2 ** 15], [0, 0]);
  const file = await openTorch(sourceOf(torchZip(pickle, { 0: Uint8Array.of(7) })));
  await expect(file.tensor('')).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openTorch: tensor "" must be of at most 16779872 bytes, with what other strided tensors take, got 1073741824 more]`,
  );
});
