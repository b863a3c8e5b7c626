import { stat } from 'node:fs/promises';
import type { Denoiser } from '../conditions/denoiser';
import { load, safetensorsFormat, weightsIn } from './first-stage-file';
import { DIFFUSION_FORMAT, type DiffusionMetadata, loadDiffusionModel } from './weights-file';

/** What the file of another project does not say of its model. */
export type ForeignModel = {
  /** Without weights. */
  readonly build: () => Denoiser;
  readonly scheduler: Readonly<Record<string, unknown>>;
  readonly scaleFactor: () => number | Promise<number>;
};

/** Is it a model of this command, which says of itself all that is needed? */
export async function isOwnModel(path: string): Promise<boolean> {
  return (await safetensorsFormat(path)) === DIFFUSION_FORMAT;
}

/**
 * Reads a denoiser from a file of this command, from a checkpoint of latent-diffusion (its moving average and its class
 * embedding, where it has them) or from diffusers (`unet/`, or the folder of a pipeline).
 * @param foreign what the project says of a model whose file does not. @throws {UserError}
 */
export async function openDenoiser(
  path: string,
  foreign: ForeignModel,
): Promise<{ denoiser: Denoiser; metadata: DiffusionMetadata }> {
  if (await isOwnModel(path)) return loadDiffusionModel(path);
  const isFolder = await stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
  const file = isFolder ? await weightsIn(path, 'unet') : path;
  const denoiser = foreign.build();
  try {
    await load(file, denoiser.unet);
    if (denoiser.classEmbedder) await load(file, denoiser.classEmbedder);
    const { kind, classes, unet } = denoiser;
    return {
      denoiser,
      metadata: {
        unet: unet.config,
        ...(kind === 'class' ? { condition: { kind, classes } } : {}),
        // Which encoder the model was trained with, its file does not say.
        ...(kind === 'text'
          ? { condition: { kind, encoder: '', tokens: 77, width: unet.config.contextDim as number } }
          : {}),
        scheduler: foreign.scheduler,
        scaleFactor: await foreign.scaleFactor(),
      },
    };
  } catch (error) {
    denoiser.dispose();
    throw error;
  }
}
