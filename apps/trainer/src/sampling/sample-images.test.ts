import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sample } from '../commands/sample';
import { silentProgress } from '../console/progress';
import { writeAtomically } from '../files/atomic-file';
import { saveDiffusionModel } from '../files/weights-file';
import { schedulerConfig } from '../training/build-models';
import { saveTinyFirstStage, tinyProject, tinyProjectSource } from '../training/tiny-project';
import type { Pipeline } from './pipeline';
import { sampleImages } from './sample-images';
import { sampleNoise } from './sample-noise';
import { tinyPipeline } from './tiny-pipeline';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-sample-'));
});
afterAll(() => rm(folder, { recursive: true }));

describeBackends(['wasm'], () => {
  let pipeline: Pipeline;
  beforeAll(() => {
    pipeline = tinyPipeline();
  });
  const draw = (eta: number, changes: object = {}) =>
    sampleImages(pipeline, { count: 5, steps: 3, eta, key: randomKey(1), openProgress: silentProgress, ...changes });

  /** A project with an untrained first stage and the shaken teacher. */
  const writeProject = async (out: string) => {
    const config = tinyProject(out);
    await saveTinyFirstStage(config);
    const metadata = { unet: pipeline.unet.config, scheduler: schedulerConfig(config.diffusion), scaleFactor: 1.5 };
    await saveDiffusionModel(join(out, 'teacher', 'model.safetensors'), pipeline.unet, metadata, 'float32');
    const project = join(out, 'project.yaml');
    await writeAtomically(project, JSON.stringify(tinyProjectSource(out)));
    return project;
  };

  test.each([0, 1])('sample i does not depend on the batch size, with eta %d', async (eta) => {
    const together = await expectTensors(1, () => draw(eta));
    expect(together.shape).toEqual([5, 16, 16, 3]);
    for (const batchSize of [1, 2]) {
      const apart = await draw(eta, { batchSize });
      await expect(apart).toBeAllclose(together, 1e-5); // summation order follows the batch
      apart.dispose();
    }
    const one = tf.slice(together, [0, 0, 0, 0], [1, 16, 16, 3]);
    const two = tf.slice(together, [1, 0, 0, 0], [1, 16, 16, 3]) as Tensor4D;
    await expect(expect(one).toBeAllclose(two, 1e-2)).rejects.toThrow(); // samples differ
    tf.dispose([together, one, two]);
  });

  test('noise is drawn from what eta asks for', async () => {
    const [plain, random] = [await draw(0), await draw(1)];
    await expect(expect(random).toBeAllclose(plain, 1e-3)).rejects.toThrow();
    tf.dispose([plain, random]);
  });

  test('the noise of sample i is a function of key and i', async () => {
    const all = sampleNoise(randomKey(2), 0, 6, [2, 2, 4]);
    const some = sampleNoise(randomKey(2), 4, 2, [2, 2, 4]);
    await expect(some).toBeAllclose(tf.slice(all, [4, 0, 0, 0], [2, 2, 2, 4]), 0);
  });

  test('a run that is stopped leaves nothing behind', async () => {
    const controller = new AbortController();
    const stopped = draw(0, {
      signal: controller.signal,
      openProgress: () => ({ update: () => controller.abort(), stop: () => {} }),
    });
    await expect(expectTensors(0, () => stopped)).rejects.toThrow(/abort/i);
  });

  test('the command writes a PNG of the expected size, of the same bytes for the same seed', async () => {
    const project = await writeProject(join(folder, 'out'));
    const run = async (name: string, seed?: number) => {
      const output = join(folder, 'made', name);
      await sample({
        config: project,
        model: 'teacher',
        output,
        count: 5,
        steps: 2,
        backend: 'wasm',
        ...(seed === undefined ? {} : { seed }),
      });
      return readFile(output);
    };
    const [a, b, c] = [await run('a.png'), await run('b.png'), await run('c.png', 9)];
    expect(a.equals(b)).toBe(true);
    expect(a.equals(c)).toBe(false);
    // five images of 16 pixels, six times as large, in a grid of 3 x 2 with gaps of 4
    expect(await sharp(a).metadata()).toMatchObject({
      format: 'png',
      width: 3 * 96 + 8,
      height: 2 * 96 + 4,
      channels: 3,
    });
  });

  test('the command draws by any sampler, with a strip and a record that makes the picture again', async () => {
    const out = join(folder, 'record');
    const project = await writeProject(out);
    const output = join(out, 'picture.png');
    const base = { config: project, model: 'teacher', steps: 3, count: 2, backend: 'wasm', output } as const;
    await sample({ ...base, sampler: 'euler-a', seed: 7, strip: true });
    const picture = await readFile(output);
    // two rows of three predictions
    const strip = await sharp(join(out, 'picture-strip.png')).metadata();
    expect(strip).toMatchObject({ width: 3 * 96 + 8, height: 2 * 96 + 4 });
    const { scheduler, weights, firstStage, ...rest } = JSON.parse(await readFile(join(out, 'picture.json'), 'utf8'));
    expect(rest).toEqual({ model: 'teacher', sampler: 'euler-a', count: 2, steps: 3, seed: 7, backend: 'wasm' });
    expect(scheduler).toMatchObject({ _class_name: 'EulerAncestralDiscreteScheduler', beta_start: 0.0015 });
    for (const { file, sha256 } of [weights, firstStage]) {
      expect(sha256).toBe(
        createHash('sha256')
          .update(await readFile(file))
          .digest('hex'),
      );
    }
    await sample({ ...base, sampler: rest.sampler, seed: rest.seed });
    expect((await readFile(output)).equals(picture)).toBe(true);

    const init = { ...base, init: output, mask: output, strength: 1 };
    await sample({ ...init, interpolateTo: 5 });
    expect(JSON.parse(await readFile(join(out, 'picture.json'), 'utf8'))).toMatchObject({
      init: output,
      mask: output,
      strength: 1,
      interpolateTo: 5,
      eta: 0,
    });
  });

  test('the command refuses what does not go together', async () => {
    const project = await writeProject(join(folder, 'refused'));
    const refusal = (changes: object) =>
      expectTensors(0, () =>
        sample({ config: project, model: 'teacher', steps: 4, backend: 'wasm', ...changes }).then(
          () => 'drawn',
          (error: Error) => error.message,
        ),
      );
    expect(await refusal({ mask: 'x.png' })).toMatchInlineSnapshot(`"--mask needs --init: the image that it is for"`);
    expect(await refusal({ strength: 0.5 })).toMatchInlineSnapshot(`"--strength needs --init"`);
    expect(await refusal({ init: 'x.png', strength: 0, strip: true })).toMatchInlineSnapshot(
      `"--strip: with --strength 0 nothing is predicted"`,
    );
    expect(await refusal({ init: 'x.png', strength: 0.2 })).toMatchInlineSnapshot(
      `"--strength 0.2 leaves none of 4 steps: give 0, 0.25 or more"`,
    );
    expect(await refusal({ interpolateTo: 1, count: 1 })).toMatchInlineSnapshot(
      `"--interpolate-to needs a --count of 2 or more"`,
    );
    expect(await refusal({ sampler: 'pndm', steps: 3 })).toMatchInlineSnapshot(
      `"PNDMScheduler.plan: steps must be at least 4 where prk steps are not skipped, got 3"`,
    );
    expect(await refusal({ sampler: 'euler', eta: 0 })).toMatchInlineSnapshot(
      `"--eta: euler has none; give one of ddim, repaint, tcd"`,
    );
  });
});
