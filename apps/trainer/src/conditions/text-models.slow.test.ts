import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeBackends, expectTensors } from '@sd/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentProgress } from '../console/progress';
import { loadDiffusionModel } from '../files/weights-file';
import { openGuidance } from '../sampling/open-guidance';
import { runModel } from '../training/run-stages';
import { tinyContext, tinyLatents, tinyProject } from '../training/tiny-project';
import { writeCaptions } from './captions';
import { encodeTexts } from './text-contexts';
import { TextEncoder } from './text-encoder';
import { TINY_WIDTH, writeTinyTextEncoder } from './tiny-text-encoder';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-text-models-'));
  await writeTinyTextEncoder(join(folder, 'clip'), 1);
  await writeTinyTextEncoder(join(folder, 'teachers'), 2);
});
afterAll(() => rm(folder, { recursive: true }));

function textProject(out: string) {
  const attending = { useSpatialTransformer: true, contextDim: TINY_WIDTH };
  return tinyProject(out, ({ models, ...source }) => ({
    ...source,
    condition: { kind: 'text', encoder: join(folder, 'clip'), dropout: 0.3 },
    models: {
      teacher: {
        ...models.teacher,
        steps: 6,
        encoder: join(folder, 'teachers'),
        unet: { ...models.teacher.unet, ...attending },
      },
      sd: { ...models.sd, steps: 6, unet: { ...models.sd.unet, ...attending } },
    },
  }));
}

const captions = {
  texts: ['', 'cat', 'cat cat'],
  ofImages: Array.from({ length: 10 }, (_, i) => (i === 3 ? [] : [1 + (i % 2)])),
};

describeBackends(['wasm'], () => {
  test('models of texts are trained, distilled with a teacher of another encoder, resumed, and draw prompts', async () => {
    const prepare = async (out: string) => {
      const context = tinyContext(textProject(out));
      await writeCaptions(context.folder.latents, captions);
      for (const name of ['clip', 'teachers']) {
        const encoder = await TextEncoder.open(join(folder, name));
        await encodeTexts(encoder, captions, context.folder.contexts(encoder.identity), silentProgress);
        encoder.dispose();
      }
      return context;
    };
    const whole = await prepare(join(folder, 'whole'));
    const stopped = await prepare(join(folder, 'stopped'));
    for (const name of ['teacher', 'sd']) {
      await expectTensors(0, () => runModel(whole, name, tinyLatents()));
      const controller = new AbortController();
      const openProgress = () => ({ update: (done: number) => void (done > 0 && controller.abort()), stop: () => {} });
      await runModel({ ...stopped, signal: controller.signal, openProgress }, name, tinyLatents());
      await runModel({ ...stopped, resume: true }, name, tinyLatents());
      const [a, b] = [stopped, whole].map((context) => readFile(context.folder.stage(name).weights));
      expect(await a).toEqual(await b);
    }
    const { denoiser, metadata } = await loadDiffusionModel(whole.folder.stage('sd').weights);
    const encoder = () => join(folder, 'clip');
    expect(metadata.condition).toMatchObject({ kind: 'text', tokens: 8, width: TINY_WIDTH });
    const guidance = await openGuidance(denoiser, metadata, {
      prompt: ['cat', 'cat cat'],
      guidance: 2,
      given: [],
      encoder,
    });
    const context = guidance?.condition(1, 3);
    expect((context as { shape: number[] }).shape).toEqual([3, 8, TINY_WIDTH]);
    guidance?.dispose();
    const refused = (settings: object, other = encoder) =>
      openGuidance(denoiser, metadata, { guidance: 1, given: [], encoder: other, ...settings }).then(
        () => 'nothing was refused',
        (error: Error) => error.message.replaceAll(folder, 'FOLDER').replace(/[0-9a-f]{12}/g, 'HASH'),
      );
    expect(await refused({})).toMatchInlineSnapshot(`"the model is of texts: give --prompt"`);
    expect(await refused({ class: '1', given: ['class'] })).toMatchInlineSnapshot(
      `"--class: the model is of texts: give --prompt"`,
    );
    expect(await refused({ prompt: ['cat'] }, () => join(folder, 'teachers'))).toMatchInlineSnapshot(
      `"FOLDER/teachers is another text encoder than the model was trained with (SHA-256 HASH, not HASH)"`,
    );
    denoiser.dispose();
  });
});
