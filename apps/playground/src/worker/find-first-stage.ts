import {
  type AutoencoderConfig,
  AutoencoderTiny,
  type AutoencoderTinyConfig,
  presets as autoencoderPresets,
  createAutoencoder,
  tinyPresets,
} from '@sd/autoencoder';
import { UserError } from '../user-error';
import { type Found, UNET_PREFIX } from './find-unet';
import { firstFitting, planned } from './fitting';
import type { Part } from './load-parts';
import { isTextModel, under, type Weights } from './open-weights';
import { DIFFUSION_FORMAT, explained, FIRST_STAGE_FORMAT } from './own-files';
import { type FirstStage, latentChannels } from './pipeline';
import type { Drop } from './read-drop';

type StageConfig = AutoencoderConfig | AutoencoderTinyConfig;

const FIRST_STAGE_PREFIX = 'first_stage_model.';

/**
 * What decodes the denoiser's latents: a dropped first stage, the bundled one, or null for a model of pixels.
 * @throws {UserError} where there is none, or another one.
 */
export async function findFirstStage(
  { weights: all }: Drop,
  { unet, weights, whole, configs, notes }: Found,
  bundled: () => Promise<FirstStage>,
): Promise<{ readonly firstStage: FirstStage | null; readonly parts: readonly Part[] }> {
  const { inChannels } = unet.config;
  const own = all.find(({ metadata }) => metadata.format === FIRST_STAGE_FORMAT);
  const inside = under(FIRST_STAGE_PREFIX, whole);
  const others = all.filter((one) => one !== whole && one !== own && !isTextModel(one));
  const candidates = [...(own ? [own] : []), ...(inside ? [inside] : []), ...others];
  for (const candidate of candidates) {
    const network =
      candidate === own ? ownStage(own) : foreignStage(configs.firstStage, candidate, candidates.length === 1);
    if (network === null) continue;
    const { config } = network;
    const firstStage = {
      network,
      scale: configs.scaleFactor ?? (config.kind === 'tiny' ? undefined : config.scaleFactor) ?? 1,
      shift: (config.kind === 'tiny' ? undefined : config.shiftFactor) ?? 0,
    };
    const channels = latentChannels(firstStage);
    if (channels !== inChannels) {
      throw new UserError(
        `${candidate.name}: its latents have ${channels} channels, and ${weights.name} works on ${inChannels}`,
      );
    }
    return { firstStage, parts: [{ name: candidate.name, module: network, file: candidate.file }] };
  }
  if (candidates.length > 0) {
    throw new UserError(`${candidates[0].name}: no first stage that fits; drop its config.json or .yaml file with it`);
  }
  const isOurs = whole.metadata.format === DIFFUSION_FORMAT;
  const shared = isOurs ? await bundled() : null;
  if (shared !== null && latentChannels(shared) === inChannels) {
    notes.push('Its latents are decoded by the bundled first stage.');
    return { firstStage: { ...shared, scale: configs.scaleFactor ?? 1 }, parts: [] };
  }
  if (isOurs || whole.file.names.some((name) => name.startsWith(UNET_PREFIX)) || ![1, 3].includes(inChannels)) {
    throw new UserError(`${weights.name} works on latents of ${inChannels} channels: drop its first stage with it`);
  }
  notes.push('It is taken for a model of pixels.');
  return { firstStage: null, parts: [] };
}

function ownStage({ name, metadata, file }: Weights): FirstStage['network'] {
  return explained(name, () => planned(build(JSON.parse(metadata.config ?? 'null') as StageConfig), file));
}

/**
 * @param said by a configuration file; without one the published first stages are tried.
 * @param isCertain no other file could be it: what does not fit is an error.
 */
function foreignStage(
  said: StageConfig | undefined,
  { name, file }: Weights,
  isCertain: boolean,
): FirstStage['network'] | null {
  if (said !== undefined && isCertain) return explained(name, () => planned(build(said), file));
  const configs = said === undefined ? [...Object.values(autoencoderPresets), ...Object.values(tinyPresets)] : [said];
  return firstFitting<StageConfig, FirstStage['network']>(configs, build, file);
}

function build(config: StageConfig): FirstStage['network'] {
  return config?.kind === 'tiny' ? new AutoencoderTiny(config) : createAutoencoder(config);
}
