import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { float32View, safetensorsPieces, type TensorView } from '@sd/checkpoint';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCheckpointFile } from '../training/checkpoint';
import { writeAtomically } from './atomic-file';
import { withSafetensors } from './tensor-file';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-large-'));
});
afterAll(() => rm(folder, { recursive: true }));

const MIB = 2 ** 20;

test('a checkpoint of more than 2 GiB is written, and read back', async () => {
  const path = join(folder, 'checkpoint.safetensors');
  const shared = new Uint8Array(300 * MIB); // eight times the same memory: 2.3 GiB on disk
  const tensors = new Map<string, TensorView>();
  for (let i = 0; i < 8; i++) tensors.set(`weight.${i}`, { dtype: 'F32', shape: [75 * MIB], data: shared });
  tensors.set('last', float32View(Float32Array.of(0.5, -2), [2]));
  await writeAtomically(path, safetensorsPieces(tensors, { step: '7' }));
  expect((await stat(path)).size).toBeGreaterThan(2 ** 31);
  const last = await withSafetensors(path, (file) => file.tensor('last'));
  expect([...new Float32Array(last.data.slice().buffer)]).toEqual([0.5, -2]);
  const read = await readCheckpointFile(path);
  expect(read.metadata).toEqual({ step: '7' });
  expect([...read.tensors.keys()]).toEqual([...tensors.keys()]);
});

test('one tensor of more than 2 GiB is read, in several reads', async () => {
  const path = join(folder, 'sparse.safetensors');
  const size = 2 ** 31 + 16;
  const header = JSON.stringify({ big: { dtype: 'U8', shape: [size], data_offsets: [0, size] } }).padEnd(96);
  const handle = await open(path, 'w');
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(96n);
  await handle.write(Buffer.concat([start, Buffer.from(header)]));
  await handle.truncate(8 + 96 + size); // a hole: no disk is used
  await handle.write(Uint8Array.of(42), 0, 1, 8 + 96 + size - 1);
  await handle.close();
  const { data } = await withSafetensors(path, (file) => file.tensor('big'));
  expect(data.length).toBe(size);
  expect([data[0], data[size - 1]]).toEqual([0, 42]);
});
