import {
  type AutoencoderConfig,
  AutoencoderTiny,
  type AutoencoderTinyConfig,
  presets as autoencoderPresets,
  createAutoencoder,
  tinyPresets,
} from '@sd/autoencoder';
import type { TensorFile } from '@sd/checkpoint';
import { SpectralDiffusionError } from '@sd/core';
import { schedulerFromConfig } from '@sd/schedulers';
import { ClassEmbedder, presets, UNet, type UNetConfig } from '@sd/unet';
import { UserError } from '../user-error';
import { type DroppedConfigs, isConfig, ldmScheduler, readConfigs } from './dropped-configs';
import { checkFits, type DeviceLimits } from './limits';
import { isWeights, openWeights, under, type Weights } from './open-weights';
import { DIFFUSION_FORMAT, explained, explainedLater, FIRST_STAGE_FORMAT, readDiffusionMetadata } from './own-files';
import { type Condition, type FirstStage, latentChannels, type Pipeline } from './pipeline';

type Found = {
  readonly unet: UNet;
  readonly weights: Weights;
  readonly configs: DroppedConfigs;
  readonly classes: Weights | null;
  /** The label that means none, where the file says so. */
  readonly nullClass: number | null;
  readonly notes: string[];
};

/**
 * A model of dropped files: weights of the command `sd`, of latent-diffusion or of diffusers, with a first stage if its
 * latents need one, and the configuration files where there are some; without them the published models are tried.
 * Headers are checked before anything is loaded.
 * @param bundled the page's own first stage, for models of its latents.
 * @throws {UserError} that says which file is at fault, what is missing, or which limit of the device is too low.
 */
export async function droppedModel(
  files: readonly File[],
  bundled: () => Promise<FirstStage>,
  limits: DeviceLimits,
): Promise<Pipeline> {
  const others = files.filter(({ name }) => !isWeights(name) && !isConfig(name));
  if (others.length > 0) throw new UserError(`${others[0].name}: neither weights nor a configuration`);
  const configs = await readConfigs(files.filter(({ name }) => isConfig(name)));
  const all: Weights[] = [];
  for (const file of files.filter(({ name }) => isWeights(name))) all.push(await openWeights(file));
  if (all.length === 0) throw new UserError('drop weights too: .safetensors, or .ckpt, .pt, .pth or .bin of PyTorch');

  const found = findUNet(all, configs);
  checkFits(found.weights.name, found.unet.parameters(), limits);
  const stage = await findFirstStage(all, found, bundled, limits);
  const { unet, weights, classes, notes } = found;
  let condition: Condition;
  try {
    await explainedLater(weights.name, unet.loadFrom(weights.file));
    condition = await conditionOf(found, classes);
  } catch (error) {
    unet.dispose();
    if (stage !== null && stage.network !== (await bundled()).network) stage.network.dispose();
    throw error;
  }
  return {
    unet,
    scheduler: explained(weights.name, () => schedulerFromConfig(schedulerOf(found, stage !== null))),
    firstStage: stage,
    condition,
    label: weights.name,
    notes,
  };
}

const UNET_PREFIX = 'model.diffusion_model.';
const FIRST_STAGE_PREFIX = 'first_stage_model.';
const CLASSES_PREFIX = 'cond_stage_model.embedding.';

function findUNet(all: readonly Weights[], configs: DroppedConfigs): Found {
  for (const weights of all) {
    if (weights.metadata.format !== DIFFUSION_FORMAT) continue;
    const own = readDiffusionMetadata(weights.name, weights.metadata);
    const part = under(UNET_PREFIX, weights) ?? weights;
    const unet = explained(weights.name, () => planned(new UNet(own.unet), part.file));
    const said = { unet: own.unet, scheduler: own.scheduler, scaleFactor: own.scaleFactor };
    const nullClass = own.condition?.classes ?? null;
    return {
      unet,
      weights: part,
      configs: { ...configs, ...said },
      classes: under(CLASSES_PREFIX, weights),
      nullClass,
      notes: [],
    };
  }
  const candidates = all.filter(({ metadata }) => metadata.format !== FIRST_STAGE_FORMAT);
  for (const whole of candidates) {
    const weights = under(UNET_PREFIX, whole) ?? whole;
    const classes = under(CLASSES_PREFIX, whole);
    if (configs.unet !== undefined) {
      const { unet: config } = configs;
      const isCertain = candidates.length === 1 || weights !== whole;
      const unet = isCertain
        ? explained(weights.name, () => planned(new UNet(config), weights.file))
        : fitting([config], weights.file);
      if (unet) return { unet, weights, configs, classes, nullClass: null, notes: [] };
      continue;
    }
    const unet = fitting(Object.values(presets), weights.file);
    if (unet)
      return {
        unet,
        weights,
        configs,
        classes,
        nullClass: null,
        notes: ['Its configuration is that of a published model.'],
      };
  }
  const names = candidates.map(({ name }) => name).join(', ') || all.map(({ name }) => name).join(', ');
  throw new UserError(
    `${names}: no denoiser that fits; drop its config.json (diffusers) or .yaml file (latent-diffusion) with it`,
  );
}

/** The first network of these configurations that the file fits. */
function fitting(configs: readonly UNetConfig[], file: TensorFile): UNet | null {
  for (const config of configs) {
    try {
      return planned(new UNet(config), file);
    } catch (error) {
      if (!(error instanceof SpectralDiffusionError)) throw error;
    }
  }
  return null;
}

/** The same network, whose names and shapes are the file's. @throws StateDictError */
function planned<M extends { planLoad(header: ReadonlyMap<string, { shape: readonly number[] }>): unknown }>(
  module: M,
  file: TensorFile,
): M {
  module.planLoad(new Map(file.names.map((name) => [name, file.info(name)])));
  return module;
}

type StageConfig = AutoencoderConfig | AutoencoderTinyConfig;

async function findFirstStage(
  all: readonly Weights[],
  { unet, weights, configs, notes }: Found,
  bundled: () => Promise<FirstStage>,
  limits: DeviceLimits,
): Promise<FirstStage | null> {
  const { inChannels } = unet.config;
  const own = all.find(({ metadata }) => metadata.format === FIRST_STAGE_FORMAT);
  const candidates = [
    ...(own ? [own] : []),
    ...all.flatMap((whole) => under(FIRST_STAGE_PREFIX, whole) ?? []),
    ...all.filter(({ name }) => name !== weights.name && name !== own?.name),
  ];
  const given: readonly StageConfig[] =
    configs.firstStage === undefined
      ? [...Object.values(autoencoderPresets), ...Object.values(tinyPresets)]
      : [configs.firstStage];
  for (const candidate of candidates) {
    const said = candidate === own ? [stageConfigOf(candidate)] : given;
    const network = fittingStage(said, candidate.file);
    if (network === null) continue;
    checkFits(candidate.name, network.parameters(), limits);
    const { config } = network;
    const channels = config.kind === 'tiny' ? config.latentChannels : config.embedDim;
    if (channels !== inChannels) {
      throw new UserError(
        `${candidate.name}: its latents have ${channels} channels, and ${weights.name} works on ${inChannels}`,
      );
    }
    await explainedLater<unknown>(candidate.name, network.loadFrom(candidate.file));
    const kept = config.kind === 'tiny' ? ({} as Partial<AutoencoderConfig>) : config;
    return { network, scale: configs.scaleFactor ?? kept.scaleFactor ?? 1, shift: kept.shiftFactor ?? 0 };
  }
  if (candidates.length > 0) {
    throw new UserError(`${candidates[0].name}: no first stage that fits; drop its config.json or .yaml file with it`);
  }
  const shared = await bundled();
  const isOurs = weights.metadata.format === DIFFUSION_FORMAT;
  if (isOurs && latentChannels(shared) === inChannels) {
    notes.push('Its latents are decoded by the bundled first stage.');
    return { ...shared, scale: configs.scaleFactor ?? 1 };
  }
  if (isOurs || weights.file.names.some((name) => name.startsWith(UNET_PREFIX)) || ![1, 3].includes(inChannels)) {
    throw new UserError(`${weights.name} works on latents of ${inChannels} channels: drop its first stage with it`);
  }
  notes.push('It is taken for a model of pixels.');
  return null;
}

function stageConfigOf({ name, metadata }: Weights): StageConfig {
  return explained(name, () => JSON.parse(metadata.config ?? 'null') as AutoencoderConfig);
}

function fittingStage(configs: readonly StageConfig[], file: TensorFile): FirstStage['network'] | null {
  for (const config of configs) {
    try {
      const network = config?.kind === 'tiny' ? new AutoencoderTiny(config) : createAutoencoder(config);
      return planned(network, file);
    } catch (error) {
      if (!(error instanceof SpectralDiffusionError || error instanceof TypeError)) throw error;
      if (configs.length === 1) throw new UserError(error.message);
    }
  }
  return null;
}

async function conditionOf({ unet, weights, nullClass }: Found, classes: Weights | null): Promise<Condition> {
  const { contextDim, numClasses, classEmbedding } = unet.config;
  if (numClasses !== undefined && classEmbedding === 'index') {
    return { kind: 'labels', count: nullClass ?? numClasses, none: nullClass };
  }
  if (classEmbedding !== 'none') {
    throw new UserError(
      `${weights.name} wants conditions of the kind '${classEmbedding}', which the page does not make`,
    );
  }
  if (contextDim === undefined) return { kind: 'none' };
  if (classes === null) {
    throw new UserError(`${weights.name} is conditioned on text, and the page has no text encoder`);
  }
  const [count, features] = classes.file.info(`${CLASSES_PREFIX}weight`).shape;
  const embedder = new ClassEmbedder({ classes: count, features });
  await explainedLater(weights.name, embedder.loadFrom(classes.file));
  return { kind: 'classes', embedder };
}

function schedulerOf({ configs, notes }: Found, isLatent: boolean): Readonly<Record<string, unknown>> {
  if (configs.scheduler !== undefined) return configs.scheduler;
  if (isLatent) {
    notes.push("Its noise schedule is taken for LDM's, 0.0015 to 0.0195.");
    return ldmScheduler({ beta_start: 0.0015, beta_end: 0.0195 });
  }
  notes.push("Its noise schedule is taken for DDPM's, linear from 0.0001 to 0.02.");
  return { _class_name: 'DDIMScheduler' };
}
