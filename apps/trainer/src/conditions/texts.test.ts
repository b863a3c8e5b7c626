import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentProgress } from '../console/progress';
import type { ImageDataset } from '../data/image-dataset';
import { UserError } from '../user-error';
import { gatherCaptions, readCaptions, writeCaptions } from './captions';
import { encodeTexts, openContexts } from './text-contexts';
import { TextEncoder, textEncoderIdentity } from './text-encoder';
import { TINY_WIDTH, writeTinyTextEncoder } from './tiny-text-encoder';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-texts-'));
  await writeTinyTextEncoder(join(folder, 'clip'));
});
afterAll(() => rm(folder, { recursive: true }));

async function complaintOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => Promise.reject(new Error('expected a complaint')),
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return error.message.replaceAll(folder, 'FOLDER');
}

/** Images with such captions, of which nothing else is asked. */
const captioned = (captions: readonly (readonly string[])[]): ImageDataset => ({
  description: 'captions',
  length: captions.length,
  size: 8,
  captions: async (index) => captions[index],
  batch: async () => tf.zeros([1, 8, 8, 3]) as Tensor4D,
});

describe('captions', () => {
  test('are kept once each, with what image has which; images without are counted', async () => {
    const said: string[] = [];
    const captions = await gatherCaptions(captioned([['cat', 'a cat'], [], ['cat']]), (line) => said.push(line));
    expect(captions).toEqual({ texts: ['', 'cat', 'a cat'], ofImages: [[1, 2], [], [1]] });
    expect(said).toEqual(['1 of 3 images have no caption: they are trained without a condition']);
    await writeCaptions(folder, captions);
    expect(await readCaptions(folder, 3)).toEqual(captions);
    expect(await complaintOf(readCaptions(folder, 4))).toMatchInlineSnapshot(
      `"FOLDER/captions.json: not the captions of 4 images; \`sd encode\` makes them again"`,
    );
    await writeFile(
      join(folder, 'captions.json'),
      JSON.stringify({ format: 'sd-captions-1', texts: [''], ofImages: [[1]] }),
    );
    expect(await complaintOf(readCaptions(folder, 1))).toMatch(/not the captions of 1 images/);
    expect(await complaintOf(readCaptions(join(folder, 'none'), 1))).toMatchInlineSnapshot(
      `"there are no captions at FOLDER/none/captions.json: make them with \`sd encode\`"`,
    );
    const { captions: _, ...without } = captioned([]);
    expect(await complaintOf(gatherCaptions(without, () => {}))).toMatchInlineSnapshot(
      `"data: the condition is a text, but the pictures have no captions"`,
    );
  });

  test('of a picture that stands in for a broken one are those of the picture', async () => {
    const dataset = { ...captioned([['broken'], ['whole']]), sourceOf: () => 1 };
    expect((await gatherCaptions(dataset, () => {})).ofImages).toEqual([[1], [1]]);
  });
});

describeBackends(['wasm'], () => {
  test('a text encoder is read from the folder that Hugging Face has', async () => {
    const encoder = await TextEncoder.open(join(folder, 'clip'));
    expect([encoder.tokens, encoder.width]).toEqual([8, TINY_WIDTH]);
    const contexts = await expectTensors(1, () => encoder.encode(['cat', '', 'CAT']));
    expect(contexts.shape).toEqual([3, 8, TINY_WIDTH]);
    const rows = (await contexts.array()) as number[][][];
    expect(rows[0]).toEqual(rows[2]);
    expect(rows[0][1]).not.toEqual(rows[1][1]);
    expect(encoder.identity).toBe(await textEncoderIdentity(join(folder, 'clip')));
    encoder.dispose();
    await writeTinyTextEncoder(join(folder, 'other'), 2);
    expect(await textEncoderIdentity(join(folder, 'other'))).not.toBe(encoder.identity);
  });

  test('a folder that is missing, or lacks a file, is refused with what it must have', async () => {
    expect(await complaintOf(TextEncoder.open(join(folder, 'none')))).toMatchInlineSnapshot(
      `"the text encoder FOLDER/none cannot be read: openClipTokenizer: folder must be with vocab.json and merges.txt, or tokenizer.json, got neither; it must be a folder with config.json, model.safetensors, vocab.json and merges.txt, such as that of openai/clip-vit-large-patch14"`,
    );
    await writeTinyTextEncoder(join(folder, 'lacking'));
    await rm(join(folder, 'lacking', 'model.safetensors'));
    expect(await complaintOf(TextEncoder.open(join(folder, 'lacking')))).toMatchInlineSnapshot(
      `"the text encoder FOLDER/lacking cannot be read: openClipText: folder must be with weights, got none; it must be a folder with config.json, model.safetensors, vocab.json and merges.txt, such as that of openai/clip-vit-large-patch14"`,
    );
  });

  test('texts are encoded once, and an interrupted encoding goes on', async () => {
    const encoder = await TextEncoder.open(join(folder, 'clip'));
    const texts = ['', ...Array.from({ length: 70 }, (_, i) => 'cat '.repeat(1 + (i % 6)) + 'a '.repeat(i % 5))];
    const captions = { texts, ofImages: [[1, 2], [], [70]] };
    const path = join(folder, 'contexts');
    const controller = new AbortController();
    const stopping = () => ({ update: () => controller.abort(), stop: () => {} });
    const shardBytes = 20 * 8 * TINY_WIDTH * 2;
    const { signal } = controller;
    await expect(encodeTexts(encoder, captions, path, stopping, { signal, shardBytes })).rejects.toThrow(/abort/i);
    const shard = await readFile(join(path, '00000.safetensors'));
    const contexts = await encodeTexts(encoder, captions, path, silentProgress, { shardBytes });
    expect(await readFile(join(path, '00000.safetensors'))).toEqual(shard);
    expect(contexts.identity).toBe(encoder.identity);

    const direct = encoder.encode([texts[70], '', '']);
    const batch = await expectTensors(1, () => contexts.batch([2, 1, 0], [false, false, true], [0.1, 0, 0.9]));
    await expect(batch as Tensor3D).toBeAllclose(direct, 1e-3); // float16
    // both texts of an image have their turns
    const firsts = new Set<string>();
    for (const draw of [0, 0.49, 0.5, 0.99])
      firsts.add(String(await (await contexts.batch([0], [false], [draw])).data()));
    expect(firsts.size).toBe(2);
    await contexts.close();
    const again = await openContexts(encoder.identity, captions, path);
    await expect(await again.batch([2, 1, 0], [false, false, true], [0.1, 0, 0.9])).toBeAllclose(batch, 1e-6);
    encoder.dispose();
  });
});
