import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Autoencoder, createAutoencoder, presets } from '@sd/autoencoder';
import { float32View, writeSafetensors } from '@sd/checkpoint';
import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentProgress } from '../console/progress';
import { UserError } from '../user-error';
import { DeadLeaves } from './dead-leaves';
import { decodeLatents, encodeDataset, encodeMean, Latents } from './latents';

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
      await expect(latents.batch(indices)).toBeAllclose(scaled as Tensor4D, 1e-5);
      if (autoencoder.kind === 'kl') {
        const posterior = autoencoder.encode(images);
        await expect(direct).toBeAllclose(posterior.mode(), 1e-6);
      } else {
        await expect(direct).toBeAllclose(autoencoder.encode(images), 1e-6); // before the codebook
      }
      // one over the deviation of the first batch, 64 images, which therefore comes out with a deviation of 1
      const first = latents.values.subarray(0, 64 * 4 * embedDim);
      const mean = first.reduce((sum, v) => sum + v, 0) / first.length;
      const variance = first.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (first.length - 1);
      expect(variance).toBeCloseTo(1, 4);
    });

    test('decodes scaled latents, whatever their number, clamped', async () => {
      const latents = await encodeDataset(autoencoder, dataset, silentProgress);
      const all = latents.batch(Int32Array.from({ length: 70 }, (_, i) => i));
      const decoded = await expectTensors(1, () => decodeLatents(autoencoder, all, latents.scaleFactor));
      expect(decoded.shape).toEqual([70, 8, 8, 3]);
      const last = latents.batch([69]);
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

  test('come back as float16 has them, with all that is known of them', async () => {
    const path = join(folder, 'a', 'latents.safetensors');
    await new Latents(values, [3, 2, 2, 4], 0.18215, 'three images').save(path);
    const loaded = await Latents.load(path);
    expect(loaded.shape).toEqual([3, 2, 2, 4]);
    expect(loaded.scaleFactor).toBe(0.18215);
    expect(loaded.description).toBe('three images');
    const worst = Math.max(...loaded.values.map((value, i) => Math.abs(value - values[i])));
    expect(worst).toBeGreaterThan(0);
    expect(worst).toBeLessThanOrEqual(2 ** -12); // half a unit in the last place of float16 below 1
    await loaded.save(path);
    expect((await Latents.load(path)).values).toEqual(loaded.values);
  });

  test('of an index that is not there are refused', () => {
    const latents = new Latents(values, [3, 2, 2, 4], 1, '');
    expect(() => latents.batch([3])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Latents.batch: index must be an integer in [0, 3), got 3]`,
    );
    expect(() => latents.batch([-1])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Latents.batch: index must be an integer in [0, 3), got -1]`,
    );
  });

  test('that are something else are refused', async () => {
    const path = join(folder, 'other.safetensors');
    const complaint = async (bytes?: Uint8Array) => {
      if (bytes) await writeFile(path, bytes);
      const error = await Latents.load(bytes ? path : join(folder, 'none')).then(
        () => Promise.reject(new Error('expected a complaint')),
        (reason: Error) => reason,
      );
      expect(error).toBeInstanceOf(UserError);
      return error.message.replaceAll(folder, 'FOLDER');
    };
    const file = (shape: number[], metadata: Record<string, string>) =>
      writeSafetensors(
        new Map([['latents', float32View(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape)]]),
        metadata,
      );
    const format = 'sd-latents-1';
    expect(await complaint()).toMatchInlineSnapshot(`"cannot read FOLDER/none: no such file"`);
    expect(await complaint(Buffer.from('not safetensors at all'))).toMatchInlineSnapshot(
      `"FOLDER/other.safetensors: readSafetensors: header length must be at most 100000000 bytes, got 7306634592548843374"`,
    );
    expect(await complaint(file([1, 2, 2, 4], {}))).toMatchInlineSnapshot(
      `"FOLDER/other.safetensors: not a file of latents; make one with \`sd encode\`"`,
    );
    const refused = 'FOLDER/other.safetensors: not a file of latents; make one with `sd encode`';
    expect(await complaint(file([4], { format, scaleFactor: '1' }))).toBe(refused);
    expect(await complaint(file([0, 2, 2, 4], { format, scaleFactor: '1' }))).toBe(refused);
    for (const scaleFactor of ['0', '-1', 'NaN', 'Infinity', 'x']) {
      expect(await complaint(file([1, 2, 2, 4], { format, scaleFactor }))).toBe(refused);
    }
    expect(await complaint(writeSafetensors(new Map(), { format, scaleFactor: '1' }))).toBe(refused);
  });
});
