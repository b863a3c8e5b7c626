import { gatherCaptions, writeCaptions } from '../conditions/captions';
import { encodeTexts } from '../conditions/text-contexts';
import { TextEncoder } from '../conditions/text-encoder';
import type { ImageDataset } from '../data/image-dataset';
import { encodeIntoFolder } from '../data/latents';
import { openDataset } from '../data/open-dataset';
import { checkWritable } from '../files/atomic-file';
import { weightsDigest } from '../files/first-stage-file';
import { buildDenoiser } from '../training/build-models';
import {
  firstStageWeights,
  givenScaleFactor,
  openFirstStage,
  type StageContext,
  textEncoderFolder,
} from '../training/run-stages';
import { type ProjectOptions, say, withProject } from './context';

/** `sd encode --config FILE`: encodes the project's images with its first stage, going on where it was stopped. */
export async function encode(options: ProjectOptions): Promise<void> {
  await withProject(options, async (context) => {
    const { config, folder, openProgress, signal } = context;
    const autoencoder = await openFirstStage({ config, folder });
    const dataset = await openDataset(config.data, config.seed, openProgress, say, signal);
    say(dataset.description);
    await checkWritable(folder.root, 2 * dataset.length * dataset.size ** 2); // latents are smaller than images
    const scaleFactor = await givenScaleFactor(config);
    const firstStage = await weightsDigest(firstStageWeights({ config, folder }));
    const latents = await encodeIntoFolder(autoencoder, dataset, openProgress, {
      folder: folder.latents,
      identity: JSON.stringify({ data: config.data, seed: config.seed, firstStage, scaleFactor }),
      scaleFactor,
      signal,
      report: say,
    });
    autoencoder.dispose();
    await latents.close();
    if (config.condition?.kind === 'text') await encodeCaptions(context, dataset);
    await dataset.close?.();
    const [, height, width, channels] = latents.shape;
    say(
      `${latents.length} latents of ${height}x${width}x${channels}, scale factor ${latents.scaleFactor.toFixed(4)}; ${folder.latents}`,
    );
  });
}

/** Keeps the texts of the images with the latents, and what each of the project's text encoders makes of them. */
async function encodeCaptions(
  { config, folder, openProgress, signal }: StageContext,
  dataset: ImageDataset,
): Promise<void> {
  const captions = await gatherCaptions(dataset, say);
  await writeCaptions(folder.latents, captions);
  const conditional = Object.keys(config.models).filter((name) => buildDenoiser(config, name).kind === 'text');
  for (const encoderFolder of new Set(conditional.map((name) => textEncoderFolder(config, name)))) {
    const encoder = await TextEncoder.open(encoderFolder);
    try {
      const path = folder.contexts(encoder.identity);
      const contexts = await encodeTexts(encoder, captions, path, openProgress, { signal, report: say });
      await contexts.close();
      say(`${captions.texts.length} texts of ${encoder.tokens}x${encoder.width}; ${path}`);
    } finally {
      encoder.dispose();
    }
  }
}
