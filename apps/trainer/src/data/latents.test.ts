import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Autoencoder, createAutoencoder, presets } from '@sd/autoencoder';
import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentProgress } from '../console/progress';
import { UserError } from '../user-error';
import { DeadLeaves } from './dead-leaves';
import type { ImageDataset } from './image-dataset';
import { decodeLatents, encodeDataset, encodeIntoFolder, encodeMean, Latents } from './latents';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-latents-'));
});
afterAll(() => rm(folder, { recursive: true }));

const dataset = new DeadLeaves(randomKey(3), 70, 8); // more than a batch of the encoder
const slim = { ch: 4, numResBlocks: 1, normGroups: 2 } as const;

describeBackends(['wasm'], () => {
  describe.each(['tiny-kl-f4', 'tiny-vq-f4'] as const)('a first stage like %s', (preset) => {
    let autoencoder: Autoencoder;
    beforeAll(() => {
      autoencoder = createAutoencoder({ ...presets[preset], ...slim, resolution: 8 }).initialize(randomKey(5));
    });
    afterAll(() => autoencoder.dispose());

    test('encodes a set: unscaled means times 1 / their deviation', async () => {
      const latents = await expectTensors(0, () => encodeDataset(autoencoder, dataset, silentProgress));
      const { embedDim } = autoencoder.config;
      expect(latents.shape).toEqual([70, 2, 2, embedDim]);
      expect(latents.description).toBe('70 dead-leaves images of 8 px');
      const indices = [69, 0, 33];
      const images = await dataset.batch(indices);
      const direct = await expectTensors(1, () => encodeMean(autoencoder, images));
      const scaled = tf.mul(direct, latents.scaleFactor);
      await expect(await latents.batch(indices)).toBeAllclose(scaled as Tensor4D, 1e-5);
      if (autoencoder.kind === 'kl') {
        const posterior = autoencoder.encode(images);
        await expect(direct).toBeAllclose(posterior.mode(), 1e-6);
      } else {
        await expect(direct).toBeAllclose(autoencoder.encode(images), 1e-6); // before the codebook
      }
      // one over the deviation of the first batch, 64 images, which therefore comes out with a deviation of 1
      const first = (latents.values as Float32Array).subarray(0, 64 * 4 * embedDim);
      const mean = first.reduce((sum, v) => sum + v, 0) / first.length;
      const variance = first.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (first.length - 1);
      expect(variance).toBeCloseTo(1, 4);
    });

    test('decodes scaled latents, whatever their number, clamped', async () => {
      const latents = await encodeDataset(autoencoder, dataset, silentProgress);
      const all = await latents.batch(Int32Array.from({ length: 70 }, (_, i) => i));
      const decoded = await expectTensors(1, () => decodeLatents(autoencoder, all, latents.scaleFactor));
      expect(decoded.shape).toEqual([70, 8, 8, 3]);
      const last = await latents.batch([69]);
      const z = tf.div(last, latents.scaleFactor) as Tensor4D;
      const direct = tf.clipByValue(autoencoder.decode(z), -1, 1);
      await expect(tf.slice(decoded, [69, 0, 0, 0], [1, 8, 8, 3])).toBeAllclose(direct, 1e-5);
      expect((await tf.max(tf.abs(decoded)).data())[0]).toBeLessThanOrEqual(1);
      // a codebook brings anything back into its range; without one only the clamp does
      const wild = decodeLatents(autoencoder, tf.mul(last, 1e4) as Tensor4D, 1);
      const largest = (await tf.max(tf.abs(wild)).data())[0];
      if (autoencoder.kind === 'kl') expect(largest).toBe(1);
      else expect(largest).toBeLessThan(1);
    });
  });
});

describe('latents on disk', () => {
  const values = Float32Array.from({ length: 3 * 2 * 2 * 4 }, (_, i) => Math.sin(i));
  const labels = Int32Array.of(2, 0, 1);
  const classNames = ['a', 'b', 'c'];
  const three = () => new Latents(values, [3, 2, 2, 4], 0.18215, 'three images', { labels, classNames });
  const complaintOf = async (path: string) => {
    const error = await Latents.load(path).then(
      () => Promise.reject(new Error('expected a complaint')),
      (reason: Error) => reason,
    );
    expect(error).toBeInstanceOf(UserError);
    return error.message.replaceAll(folder, 'FOLDER');
  };

  test.each([undefined, 70])('come back as float16 has them, with all that is known of them', async (shardBytes) => {
    const path = join(folder, `latents-${shardBytes}`);
    await three().save(path, shardBytes);
    expect((await readdir(path)).length).toBe(shardBytes ? 3 : 2); // shards of 2 and 1 images, and the index
    const loaded = await Latents.load(path);
    expect(loaded.shape).toEqual([3, 2, 2, 4]);
    expect(loaded.scaleFactor).toBe(0.18215);
    expect(loaded.description).toBe('three images');
    expect(loaded.labels).toEqual(labels);
    expect(loaded.classNames).toEqual(classNames);
    const found = loaded.values as Float32Array;
    const worst = Math.max(...found.map((value, i) => Math.abs(value - values[i])));
    expect(worst).toBeGreaterThan(0);
    expect(worst).toBeLessThanOrEqual(2 ** -12); // half a unit in the last place of float16 below 1
    await loaded.save(path, shardBytes);
    expect((await Latents.load(path)).values).toEqual(found);
    const fromDisk = await Latents.load(path, 0);
    expect(fromDisk.labels).toEqual(labels);
    expect(await (await fromDisk.batch([2, 0])).data()).toEqual(await (await loaded.batch([2, 0])).data());
    await expect(fromDisk.save(path)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Latents.save: values must be in memory, got "on disk"]`,
    );
    await fromDisk.close();
  });

  test('of an index that is not there are refused', async () => {
    await expect(three().batch([3])).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Latents.batch: index must be an integer in [0, 3), got 3]`,
    );
    await expect(three().batch([-1])).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Latents.batch: index must be an integer in [0, 3), got -1]`,
    );
  });

  test('that are missing, unfinished, changed or something else are refused', async () => {
    const path = join(folder, 'broken');
    expect(await complaintOf(path)).toMatchInlineSnapshot(
      `"there are no latents at FOLDER/broken: make them with \`sd encode\`"`,
    );
    await three().save(path, 70);
    const index = join(path, 'latents.json');
    const text = await readFile(index, 'utf8');
    const parsed = JSON.parse(text);
    await writeFile(index, JSON.stringify({ ...parsed, shards: parsed.shards.slice(0, 1) }));
    expect(await complaintOf(path)).toMatchInlineSnapshot(
      `"FOLDER/broken holds 2 latents of 3: \`sd encode\` goes on from there"`,
    );
    const broken = [
      '',
      '{}',
      JSON.stringify({ ...parsed, scaleFactor: 0 }),
      JSON.stringify({ ...parsed, shape: [3, 2, 2] }),
      JSON.stringify({ ...parsed, shards: [{ ...parsed.shards[0], file: '../secret.safetensors' }] }),
    ];
    for (const other of broken) {
      await writeFile(index, other);
      expect(await complaintOf(path)).toBe(
        'FOLDER/broken/latents.json: not an index of latents; make them with `sd encode`',
      );
    }
    await writeFile(index, text);
    const shard = join(path, '00001.safetensors');
    const bytes = await readFile(shard);
    bytes[bytes.length - 1] ^= 1;
    await writeFile(shard, bytes);
    expect(await complaintOf(path)).toMatchInlineSnapshot(
      `"FOLDER/broken/00001.safetensors is not what was written: \`sd encode\` makes it again"`,
    );
    await rm(shard);
    expect(await complaintOf(path)).toMatchInlineSnapshot(
      `"FOLDER/broken/00001.safetensors is missing: \`sd encode\` makes it again"`,
    );
  });
});

describeBackends(['wasm'], () => {
  describe('encoding into a folder', () => {
    const firstStage = () =>
      createAutoencoder({ ...presets['tiny-kl-f4'], ...slim, resolution: 8 }).initialize(randomKey(5));
    const settings = (name: string) => ({
      folder: join(folder, name),
      identity: 'these',
      shardBytes: 100 * 2 * 2 * 2 * 8,
      openProgress: silentProgress,
    });
    const images = new DeadLeaves(randomKey(3), 230, 8);

    test('gives what encoding into memory gives, however often it is stopped', async () => {
      const autoencoder = firstStage();
      const whole = await encodeDataset(autoencoder, images, silentProgress);
      const options = settings('stopped');
      const said: string[] = [];
      const stopAfter = async (batches: number) => {
        const controller = new AbortController();
        let seen = 0;
        const stopping: ImageDataset = {
          ...pick(images),
          batch: (indices) => {
            if (++seen > batches) controller.abort();
            return images.batch(indices);
          },
        };
        const run = { ...options, signal: controller.signal, report: (line: string) => said.push(line) };
        await expect(encodeIntoFolder(autoencoder, stopping, silentProgress, run)).rejects.toThrow(/abort/i);
      };
      await stopAfter(0); // before a shard is complete
      await stopAfter(1); // after the first one
      await expect(Latents.load(options.folder)).rejects.toThrow('holds 100 latents of 230');
      const report = (line: string) => said.push(line);
      const encoded = await expectTensors(0, () =>
        encodeIntoFolder(autoencoder, images, silentProgress, { ...options, report }),
      );
      expect(said.map((line) => line.replaceAll(folder, 'FOLDER'))).toMatchInlineSnapshot(`
        [
          "100 of 230 images are encoded already",
        ]
      `);
      expect(encoded.scaleFactor).toBe(whole.scaleFactor);
      expect(encoded.shape).toEqual([230, 2, 2, 8]);
      await expect(tf.tensor(encoded.values as Float32Array)).toBeAllclose(
        tf.tensor(whole.values as Float32Array),
        1e-3,
      );
      expect((await readdir(options.folder)).sort()).toEqual([
        '00000.safetensors',
        '00001.safetensors',
        '00002.safetensors',
        'latents.json',
      ]);
      autoencoder.dispose();
    });

    test('makes again what is damaged, and all of it for another first stage', async () => {
      const autoencoder = firstStage();
      const options = settings('damaged');
      await encodeIntoFolder(autoencoder, images, silentProgress, options);
      const before = await readFile(join(options.folder, '00001.safetensors'));
      await writeFile(join(options.folder, '00001.safetensors'), before.subarray(0, 1000));
      const said: string[] = [];
      const report = (line: string) => said.push(line.replaceAll(folder, 'FOLDER'));
      await encodeIntoFolder(autoencoder, images, silentProgress, { ...options, report });
      expect(await readFile(join(options.folder, '00001.safetensors'))).toEqual(before);
      await encodeIntoFolder(autoencoder, images, silentProgress, { ...options, identity: 'others', report });
      await encodeIntoFolder(autoencoder, images, silentProgress, { ...options, identity: 'others', report });
      expect(said).toMatchInlineSnapshot(`
        [
          "FOLDER/damaged/00001.safetensors is not what was written: made again from there",
          "100 of 230 images are encoded already",
          "FOLDER/damaged holds something else: encoding anew",
          "230 of 230 images are encoded already",
        ]
      `);
      autoencoder.dispose();
    });
  });
});

function pick({ description, length, size }: DeadLeaves) {
  return { description, length, size };
}
