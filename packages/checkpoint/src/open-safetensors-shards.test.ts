import { expect, test } from 'vitest';
import { float32View } from './encode';
import { openSafetensorsShards } from './open-safetensors-shards';
import { readSafetensors } from './read-safetensors';
import { writeSafetensors } from './write-safetensors';

const view = (...values: number[]) => float32View(Float32Array.from(values), [values.length]);
const shards: Record<string, Uint8Array> = {
  'm-00001-of-00002.safetensors': writeSafetensors(
    new Map([
      ['a', view(1)],
      ['b', view(2, 3)],
    ]),
  ),
  'm-00002-of-00002.safetensors': writeSafetensors(new Map([['c', view(4)]])),
};
const [first, second] = Object.keys(shards) as [string, string];

const sourceOf = (bytes: Uint8Array) => ({
  size: bytes.length,
  read: async (offset: number, length: number) => bytes.slice(offset, offset + length),
});

function open(index: unknown, opened: string[] = []) {
  const bytes = new TextEncoder().encode(typeof index === 'string' ? index : JSON.stringify(index));
  return openSafetensorsShards(bytes, (name) => {
    opened.push(name);
    return sourceOf(shards[name]!);
  });
}

const weightMap = { c: second, a: first, b: first };

test('tensors of all shards are there, in the order of the index, each file opened once', async () => {
  const opened: string[] = [];
  const file = await open({ metadata: { total_size: 16, format: 'pt' }, weight_map: weightMap }, opened);
  expect(file.names).toEqual(['c', 'a', 'b']);
  expect(file.files).toEqual([second, first]);
  expect(opened).toEqual([second, first]);
  expect({ ...file.metadata }).toEqual({ total_size: '16', format: 'pt' });
  expect(file.info('b')).toMatchObject({ dtype: 'F32', shape: [2] });
  const found = new Map<string, unknown>();
  for await (const [name, tensor] of file.tensors()) found.set(name, tensor);
  for (const bytes of Object.values(shards)) {
    for (const [name, expected] of readSafetensors(bytes).tensors) {
      expect(found.get(name)).toEqual({ ...expected, data: new Uint8Array(expected.data) });
      expect(await file.tensor(name)).toEqual(found.get(name));
    }
  }
});

test.each([
  '../m.safetensors',
  'a/../b.safetensors',
  '/etc/m.safetensors',
  'a/b.safetensors',
  'a\\b.safetensors',
  'C:m.safetensors',
  '..safetensors',
  '.safetensors',
  'm..safetensors',
  'm\u0000.safetensors',
  'm.safetensors\n',
  'm.pth',
  '',
  'https://x.y/m.safetensors',
  'é.safetensors',
  `${'x'.repeat(200)}.safetensors`,
])('no file is opened where the index names %j', async (name) => {
  const opened: string[] = [];
  await expect(open({ weight_map: { ...weightMap, a: name } }, opened)).rejects.toThrow(
    'openSafetensorsShards: weight_map "a" must be a plain file name that ends in .safetensors, got ',
  );
  expect(opened).toEqual([]);
});

test('what is wrong with an index is said', async () => {
  await expect(open('')).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensorsShards: index must be JSON, got its end at character 0]`,
  );
  await expect(open([])).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensorsShards: index must be an object, got an array]`,
  );
  await expect(open({})).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensorsShards: weight_map must be given, got none]`,
  );
  await expect(open({ weight_map: [] })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensorsShards: weight_map must be an object, got an array]`,
  );
  await expect(open({ weight_map: { a: 1 } })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensorsShards: weight_map "a" must be a string, got a number]`,
  );
  await expect(open({ metadata: 1 })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensorsShards: metadata must be an object, got a number]`,
  );
  await expect(open('{"weight_map":{},"weight_map":{}}')).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensorsShards: index must be free of duplicate keys, got "weight_map" twice]`,
  );
  await expect(open('{"metadata":{},"metadata":{}}')).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensorsShards: index must be free of duplicate keys, got "metadata" twice]`,
  );
  await expect(open(`{"weight_map":{"a":"${first}","a":"${first}"}}`)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensorsShards: weight_map must be free of duplicate keys, got "a" twice]`,
  );
  const other = openSafetensorsShards(Uint8Array.of(0xff), () => sourceOf(new Uint8Array(0)));
  await expect(other).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensorsShards: index must be UTF-8, got other bytes]`,
  );
});

test('an index that disagrees with its files is refused', async () => {
  await expect(open({ weight_map: { ...weightMap, d: first } })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensorsShards: tensor "d" must be in "m-00001-of-00002.safetensors", as the index has it, got not there]`,
  );
  await expect(open({ weight_map: { c: second, a: first } })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensorsShards: tensor "b" of "m-00001-of-00002.safetensors" must be in the index as such, got not in the index]`,
  );
  await expect(open({ weight_map: { ...weightMap, b: second } })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensorsShards: tensor "b" of "m-00001-of-00002.safetensors" must be in the index as such, got one of "m-00002-of-00002.safetensors"]`,
  );
});

test('a name that the index lacks is refused', async () => {
  const file = await open({ weight_map: weightMap });
  expect(() => file.info('x')).toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensorsShards: name must be one of the index's 3 tensors, got "x"]`,
  );
  await expect(file.tensor('toString')).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openSafetensorsShards: name must be one of the index's 3 tensors, got "toString"]`,
  );
});
