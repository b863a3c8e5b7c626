import { rm } from 'node:fs/promises';
import { say } from '../commands/context';
import { openProgressGroup } from '../console/progress';
import type { ImageDataset } from '../data/image-dataset';
import { encodeDataset, type Latents } from '../data/latents';
import { openDataset } from '../data/open-dataset';
import { givenScaleFactor, openFirstStage, runFirstStage, runModel, type StageContext } from '../training/run-stages';
import { runBeside } from './run-beside';
import type { Stopwatch } from './stopwatch';

/** Opens the images, trains the first stage further where they are photographs, and encodes them. */
export async function prepareLatents(
  context: StageContext,
  stopwatch: Stopwatch,
): Promise<{ dataset: ImageDataset; latents: Latents }> {
  const { config, folder, openProgress } = context;
  const dataset = await stopwatch.time('read images', () => openDataset(config.data, config.seed, openProgress, say));
  say(dataset.description);
  // What an earlier demo trained on other images must not be taken for this one's.
  await rm(folder.firstStage.path, { recursive: true, force: true });
  if (config.data.source === 'folder') {
    await stopwatch.time('train first stage', () => runFirstStage(context, dataset));
  }
  const latents = await stopwatch.time('encode', async () => {
    const autoencoder = await openFirstStage(context);
    const encoded = await encodeDataset(autoencoder, dataset, openProgress, {
      scaleFactor: await givenScaleFactor(config),
      signal: context.signal,
    });
    autoencoder.dispose();
    return encoded;
  });
  await latents.save(folder.latents);
  return { dataset, latents };
}

/** Trains the teacher, unless its weights are given. */
export async function trainTeacher(context: StageContext, latents: Latents, stopwatch: Stopwatch): Promise<void> {
  if (context.config.models.teacher.weights) return;
  await stopwatch.time('train teacher', () => runModel(context, 'teacher', latents));
}

/**
 * Trains Lite alone and SD with its teacher. On a backend that computes on one thread they run side by side in
 * processes of their own; a GPU takes one after the other.
 */
export async function trainStudents(
  context: StageContext,
  latents: Latents,
  project: string,
  backend: string,
  stopwatch: Stopwatch,
): Promise<void> {
  if (!/^(wasm|cpu)/i.test(backend)) {
    await stopwatch.time('train lite', () => runModel(context, 'lite', latents));
    if (!context.signal?.aborted) await stopwatch.time('distil sd', () => runModel(context, 'sd', latents));
    return;
  }
  const bars = openProgressGroup();
  const options = ['--config', project, '--backend', 'wasm', '--overwrite'];
  try {
    await stopwatch.time('train lite and distil sd, side by side', () =>
      Promise.all([
        runBeside(['train', '--model', 'lite', ...options], bars.open, context.signal),
        runBeside(['distill', '--model', 'sd', ...options], bars.open, context.signal),
      ]),
    );
  } finally {
    bars.stop();
  }
}
