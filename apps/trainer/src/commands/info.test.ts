import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { float32View, readSafetensors, writeSafetensors } from '@sd/checkpoint';
import { randomKey } from '@sd/core';
import '@sd/testing';
import { useBackend } from '@sd/backend';
import { countMacs, countParameters, UNet, type UNetConfig } from '@sd/unet';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { saveDiffusionModel } from '../files/weights-file';
import { buildScheduler, schedulerConfig } from '../training/build-models';
import { tinyProject } from '../training/tiny-project';
import { info } from './info';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-info-'));
});
afterAll(() => rm(folder, { recursive: true }));

// Parameters and MACs (in G, to two places) as counted from the reference UNet. Yang et al. 2023, Table 3 and 4.
const TABLE: Readonly<Record<string, readonly [parameters: number, macs: string]>> = {
  'ldm-ffhq': [274_056_163, '96.02'],
  'ldm-celebahq': [274_056_163, '96.02'],
  'ldm-lsun-bedroom': [274_056_163, '96.02'],
  'ldm-lsun-church': [294_966_916, '18.64'],
  'ldm-imagenet': [400_920_579, '99.77'],
  'ldm-coco': [872_300_484, '86.76'],
  'lite-ffhq': [22_411_843, '7.85'],
  'lite-celebahq': [22_411_843, '7.85'],
  'lite-lsun-bedroom': [22_411_843, '7.85'],
  'lite-lsun-church': [32_827_268, '2.07'],
  'lite-imagenet': [47_026_179, '11.10'],
  'lite-coco': [81_480_484, '8.04'],
  'sd-ffhq': [21_098_051, '6.73'],
  'sd-celebahq': [21_098_051, '6.73'],
  'sd-lsun-bedroom': [21_098_051, '6.73'],
  'sd-lsun-church': [33_766_404, '2.11'],
  'sd-imagenet': [45_390_339, '9.90'],
  'sd-coco': [77_630_884, '7.26'],
};

test('the table of all presets has the published sizes to the digit', async () => {
  const rows = JSON.parse(await info(undefined, { json: true })) as {
    name: string;
    parameters: number;
    macs: number;
  }[];
  const found = rows.map(({ name, parameters, macs }) => [name, [parameters, (macs / 1e9).toFixed(2)]]);
  expect(Object.fromEntries(found)).toEqual(TABLE);
  expect(rows.find(({ name }) => name === 'sd-lsun-church')?.macs).toBe(2_108_475_904);
});

test('one preset is a row of the table, for people and as JSON', async () => {
  expect(await info('sd-ffhq', {})).toMatchInlineSnapshot(`
    "model    input    parameters    MACs
    sd-ffhq  64x64x3  21,098,051  6.73 G"
  `);
  expect(JSON.parse(await info('sd-lsun-church', { json: true }))).toEqual({
    name: 'sd-lsun-church',
    parameters: 33_766_404,
    macs: 2_108_475_904,
    input: '32x32x4',
  });
});

test('an unknown name gets the nearest preset, a missing file its path', async () => {
  await expect(info('sd-fhq', {})).rejects.toThrowErrorMatchingInlineSnapshot(
    `[UserError: info: neither a file nor a preset: "sd-fhq" (did you mean "sd-ffhq"?)]`,
  );
  await expect(info('./none.safetensors', {})).rejects.toThrowErrorMatchingInlineSnapshot(
    `[UserError: cannot read ./none.safetensors: no such file]`,
  );
});

describe('a checkpoint', () => {
  test('is listed with its tensors and what it says of itself', async () => {
    const path = join(folder, 'file.safetensors');
    const tensors = new Map([['a.weight', float32View(new Float32Array(6), [2, 3])]]);
    await writeFile(path, writeSafetensors(tensors, { note: 'hello' }));
    expect((await info(path, {})).replace(path, 'FILE')).toMatchInlineSnapshot(`
      "FILE: 1 tensors, 6 values
        note: hello
        a.weight  F32 [2, 3]"
    `);
    expect(JSON.parse(await info(path, { json: true }))).toEqual({
      file: path,
      metadata: { note: 'hello' },
      values: 6,
      tensors: [{ name: 'a.weight', dtype: 'F32', shape: [2, 3] }],
    });
  });

  test('of a diffusion model has its MACs and as many values as parameters', async () => {
    await useBackend('cpu');
    const { models, diffusion } = tinyProject(folder);
    const config = models.sd.unet as unknown as UNetConfig;
    const unet = new UNet(config).initialize(randomKey(0));
    const path = join(folder, 'model.safetensors');
    expect(buildScheduler(diffusion).alphasCumprod.length).toBe(1000);
    await saveDiffusionModel(
      path,
      unet,
      { unet: config, scheduler: schedulerConfig(diffusion), scaleFactor: 1 },
      'float16',
    );
    unet.dispose();
    const { values, macs, tensors } = JSON.parse(await info(path, { json: true }));
    expect([values, macs]).toEqual([countParameters(config), countMacs(config)]);
    expect(tensors[0].dtype).toBe('F16');
  });

  test('that is broken is an error that names it', async () => {
    const path = join(folder, 'broken.safetensors');
    await writeFile(path, new Uint8Array(3));
    await expect(info(path, {})).rejects.toThrow(`${path}: openSafetensors: file must be at least 8 bytes, got 3`);
    expect(() => readSafetensors(new Uint8Array(3))).toThrow();
  });
});
