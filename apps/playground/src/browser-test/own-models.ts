import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useBackend } from '@sd/backend';
import { randomKey } from '@sd/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Denoiser } from '../../../trainer/src/conditions/denoiser';
import { silentProgress } from '../../../trainer/src/console/progress';
import { openFirstStageWeights } from '../../../trainer/src/files/first-stage-file';
import { openDenoiser } from '../../../trainer/src/files/open-denoiser';
import { openGuidance } from '../../../trainer/src/sampling/open-guidance';
import { sampleImages } from '../../../trainer/src/sampling/sample-images';
import { samplerScheduler } from '../../../trainer/src/sampling/samplers';
import {
  splitInParts,
  TINY_SCHEDULER,
  TINY_STAGE,
  TINY_UNET,
  writeTinyTextPipeline,
} from '../testing/tiny-text-pipeline';
import { settingsOfPng } from '../worker/png';
import { sheetOf } from '../worker/sheet';
import { appFile, DONE, dropPath, pixelsOf, savedPng, type Visit } from './visit';

/** Tests of models that are dropped on the page, or chosen. */
export function testOwnModels(visited: (path: string) => Promise<Visit>): void {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sd-own-models-'));
    await useBackend('wasm');
    await writeTinyTextPipeline(join(folder, 'pipeline'));
    await cp(join(folder, 'pipeline'), join(folder, 'parts'), { recursive: true });
    await splitInParts(join(folder, 'parts', 'unet', 'diffusion_pytorch_model.safetensors'));
    await mkdir(join(folder, 'holidays'));
    await writeFile(join(folder, 'holidays', 'beach.txt'), 'sand');
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('weights of the command are taken, hostile files are refused, and the page goes on', async () => {
    const { page, external } = await visited('?backend=wasm#sample?steps=3&batch=1');
    await page.waitForSelector(DONE);
    await page.getByText('A model of your own').click();
    const input = page.getByLabel('Choose all its files at once, or drop them here');
    const file = (name: string, buffer: Buffer) => ({ name, mimeType: 'application/octet-stream', buffer });
    const lite = await readFile(appFile('playground/models/lite.safetensors'));

    const header = Buffer.from(lite);
    header.writeBigUInt64LE(2n ** 62n);
    await input.setInputFiles(file('long.safetensors', header));
    await page.getByText(/long\.safetensors: openSafetensors: header length must be/).waitFor();
    await input.setInputFiles(file('cut.safetensors', lite.subarray(0, lite.length / 2)));
    await page.getByText(/cut\.safetensors: openSafetensors: tensor .* must be within/).waitFor();
    await input.setInputFiles(file('pickle.ckpt', Buffer.from("\x80\x02cos\nsystem\n(S'true'\ntR.", 'latin1')));
    await page.getByText(/pickle\.ckpt: openTorch:/).waitFor();
    await input.setInputFiles(file('plain.png', Buffer.from('no')));
    await page.getByText(/not a PNG that can be read/).waitFor();

    await input.setInputFiles(file('mine.safetensors', lite));
    await page.waitForFunction(() => location.hash.includes('model=own'));
    await page.waitForSelector(DONE);
    expect(await page.getByText('Its latents are decoded by the bundled first stage.').count()).toBe(1);
    expect(await page.locator(DONE).textContent()).toContain('178 k parameters');
    expect(external).toEqual([]);
  });

  test("a folder of diffusers that is dropped draws prompts, and pixels are those of Node's WASM", async () => {
    const { page, external, complaints, screenshot } = await visited('?backend=wasm#sample?steps=6&batch=2&seed=5');
    await page.waitForSelector(DONE);
    await dropPath(page, join(folder, 'pipeline'));
    await page.getByText('Say in a prompt what it shall show').waitFor();
    await page.getByLabel('Negative prompt').fill('cat cat');
    await page.getByLabel('Guidance').fill('4');
    await page.getByLabel('Prompt', { exact: true }).fill('CAT');
    await page.getByLabel('Prompt', { exact: true }).press('Enter');
    await page.waitForSelector(DONE);
    expect(await page.evaluate(() => location.hash)).toMatch(/model=own.*prompt=CAT&negative=cat\+cat/);

    const choice = { prompt: 'CAT', negative: 'cat cat', guidance: 4, seed: 5, steps: 6, count: 2 };
    const drawn = await pixelsOf(page, 'canvas.sheet');
    expect(far(drawn, await promptPixelsOnNode(join(folder, 'pipeline'), choice))).toBeLessThanOrEqual(1);
    expect(new Set(drawn).size).toBeGreaterThan(50);
    expect(settingsOfPng(await savedPng(page))).toMatchObject({ prompt: 'CAT', negative: 'cat cat', guidance: 4 });
    await screenshot('sample-prompt');

    await page.getByLabel('Negative prompt').fill('');
    await page.getByRole('button', { name: 'Sample', exact: true }).click();
    await page.waitForFunction(() => document.querySelector('.facts') === null);
    await page.waitForSelector(DONE);
    expect(await page.evaluate(() => location.hash)).not.toContain('negative');
    const without = await promptPixelsOnNode(join(folder, 'pipeline'), { ...choice, negative: '' });
    const again = await pixelsOf(page, 'canvas.sheet');
    expect(far(again, without)).toBeLessThanOrEqual(1);
    expect(again).not.toEqual(drawn);
    expect([external, complaints]).toEqual([[], []]);
  });

  test('a folder that is chosen, its weights in parts, draws the same; what is not whole is refused', async () => {
    const { page } = await visited('?backend=wasm#sample?steps=6&batch=2&seed=5&prompt=cat&guidance=4');
    await page.waitForSelector(DONE);
    await page.getByText('A model of your own').click();
    await page.getByLabel('Or its folder, as diffusers has it').setInputFiles(join(folder, 'parts'));
    await page.waitForFunction(() => location.hash.includes('model=own'));
    await page.waitForSelector(DONE);
    const choice = { prompt: 'cat', negative: '', guidance: 4, seed: 5, steps: 6, count: 2 };
    const expected = await promptPixelsOnNode(join(folder, 'pipeline'), choice);
    expect(far(await pixelsOf(page, 'canvas.sheet'), expected)).toBeLessThanOrEqual(1);

    await rm(join(folder, 'parts', 'unet', 'diffusion_pytorch_model-00002-of-00002.safetensors'));
    await dropPath(page, join(folder, 'parts'));
    await page.getByText(/parts\/unet\/: .*-00002-of-00002\.safetensors" must be there, as the index has it/).waitFor();
    await dropPath(page, join(folder, 'holidays'));
    await page
      .getByText(/holidays is no folder of a model: it has neither model_index\.json or config\.json/)
      .waitFor();
  });
}

type Choice = {
  readonly prompt: string;
  readonly negative: string;
  readonly guidance: number;
  readonly seed: number;
  readonly steps: number;
  readonly count: number;
};

function far(pixels: readonly number[], expected: readonly number[]): number {
  expect(pixels.length).toBe(expected.length);
  return Math.max(...pixels.map((value, i) => Math.abs(value - expected[i])));
}

/** What `sd sample --prompt` draws on Node, in the page's grid. */
async function promptPixelsOnNode(folder: string, choice: Choice): Promise<number[]> {
  const { denoiser, metadata } = await openDenoiser(folder, {
    build: () => new Denoiser(TINY_UNET, 'text'),
    scheduler: TINY_SCHEDULER,
    scaleFactor: () => 0.5,
  });
  const autoencoder = await openFirstStageWeights(folder, TINY_STAGE);
  const guidance = await openGuidance(denoiser, metadata, {
    prompt: [choice.prompt],
    negative: choice.negative,
    guidance: choice.guidance,
    given: [],
    encoder: () => folder,
  });
  const scheduler = samplerScheduler(metadata.scheduler, { sampler: 'ddim' });
  const images = await sampleImages(
    { unet: denoiser.unet, scheduler, autoencoder, scaleFactor: metadata.scaleFactor },
    { ...choice, eta: 0, key: randomKey(choice.seed), openProgress: silentProgress, guidance },
  );
  const { pixels } = await sheetOf(images);
  images.dispose();
  for (const one of [guidance, denoiser, autoencoder]) one?.dispose();
  return Array.from(pixels);
}
