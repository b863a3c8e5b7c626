import { presets, UNet } from '@sd/unet';
import { UserError } from '../user-error';
import type { DroppedConfigs } from './dropped-configs';
import { firstFitting, planned } from './fitting';
import { isTextModel, under, type Weights } from './open-weights';
import {
  DIFFUSION_FORMAT,
  type DiffusionMetadata,
  explained,
  FIRST_STAGE_FORMAT,
  readDiffusionMetadata,
} from './own-files';
import type { Drop } from './read-drop';

/** A denoiser whose names and shapes are its file's, not loaded yet. */
export type Found = {
  readonly unet: UNet;
  /** The file, as far as it is the denoiser's. */
  readonly weights: Weights;
  /** All of the file. */
  readonly whole: Weights;
  readonly configs: DroppedConfigs;
  /** What a file of the command says that its images are of. */
  readonly said: DiffusionMetadata['condition'];
  readonly notes: string[];
};

export const UNET_PREFIX = 'model.diffusion_model.';

/** @throws {UserError} where no file has a denoiser that can be understood. */
export function findUNet({ weights: all, configs }: Drop): Found {
  const own = all.filter(({ metadata }) => metadata.format === DIFFUSION_FORMAT);
  if (own.length > 1) {
    throw new UserError(`${own.map(({ name }) => name).join(', ')}: several models; drop the one that shall draw`);
  }
  if (own.length === 1) return ownUNet(own[0], configs);
  const candidates = all.filter((one) => one.metadata.format !== FIRST_STAGE_FORMAT && !isTextModel(one));
  for (const whole of candidates) {
    const weights = under(UNET_PREFIX, whole) ?? whole;
    const found = { weights, whole, configs, said: undefined };
    if (configs.unet === undefined) {
      const unet = firstFitting(Object.values(presets), (config) => new UNet(config), weights.file);
      if (unet) return { ...found, unet, notes: ['Its configuration is that of a published model.'] };
      continue;
    }
    const { unet: config } = configs;
    const isCertain = candidates.length === 1 || weights !== whole || /(^|\/)unet\//.test(whole.name);
    const unet = isCertain
      ? explained(weights.name, () => planned(new UNet(config), weights.file))
      : firstFitting([config], (one) => new UNet(one), weights.file);
    if (unet) return { ...found, unet, notes: [] };
  }
  const names = (candidates.length > 0 ? candidates : all).map(({ name }) => name).join(', ');
  throw new UserError(
    `${names}: no denoiser that fits; drop its config.json (diffusers) or .yaml file (latent-diffusion) with it`,
  );
}

function ownUNet(whole: Weights, configs: DroppedConfigs): Found {
  const { unet: config, scheduler, scaleFactor, condition } = readDiffusionMetadata(whole.name, whole.metadata);
  const weights = under(UNET_PREFIX, whole) ?? whole;
  return {
    unet: explained(weights.name, () => planned(new UNet(config), weights.file)),
    weights,
    whole,
    configs: { ...configs, unet: config, scheduler, scaleFactor },
    said: condition,
    notes: [],
  };
}
