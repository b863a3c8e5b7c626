import { type Autoencoder, type AutoencoderConfig, createAutoencoder } from '@sd/autoencoder';
import { float16View, type StateDict, type TensorView, toFloat32, writeSafetensors } from '@sd/checkpoint';
import { SpectralDiffusionError } from '@sd/core';
import { type Module, withoutPrefix, withPrefix } from '@sd/nn';
import { schedulerFromConfig } from '@sd/schedulers';
import { countParameters, UNet, type UNetConfig } from '@sd/unet';
import { Denoiser } from '../conditions/denoiser';
import { readCheckpointFile } from '../training/checkpoint';
import { UserError } from '../user-error';
import { writeAtomically } from './atomic-file';

/** Names in LDM's checkpoints begin with these. */
const FIRST_STAGE_PREFIX = 'first_stage_model.';
const UNET_PREFIX = 'model.diffusion_model.';
const CLASSES_PREFIX = 'cond_stage_model.';

/** What a first stage's file calls itself. */
export const FIRST_STAGE_FORMAT = 'sd-first-stage-1';

/** What a diffusion model's file calls itself. */
export const DIFFUSION_FORMAT = 'sd-diffusion-1';

export type Precision = 'float32' | 'float16';

/** What a model makes images of. */
export type ModelCondition = ClassCondition | TextCondition;

export type ClassCondition = {
  readonly kind: 'class';
  /** Without the null class. */
  readonly classes: number;
  /** By class, where the data has names for them. */
  readonly classNames?: readonly string[];
};

export type TextCondition = {
  readonly kind: 'text';
  /** SHA-256 of the text encoder's files. */
  readonly encoder: string;
  readonly tokens: number;
  readonly width: number;
};

/** What a diffusion model's file says beside its weights. */
export type DiffusionMetadata = {
  readonly unet: UNetConfig;
  /** Left out for an unconditional model. */
  readonly condition?: ModelCondition;
  /** A diffusers scheduler_config.json object. */
  readonly scheduler: Readonly<Record<string, unknown>>;
  /** The latents that the model makes are divided by it before they are decoded. */
  readonly scaleFactor: number;
};

/** Writes a first stage with its configuration, under LDM's names. @throws {UserError} */
export async function saveFirstStage(path: string, autoencoder: Autoencoder, precision: Precision): Promise<void> {
  await saveModule(path, autoencoder, FIRST_STAGE_PREFIX, precision, {
    format: FIRST_STAGE_FORMAT,
    config: JSON.stringify(autoencoder.config),
  });
}

/** @throws {UserError} when the file is missing, broken or no first stage. */
export async function loadFirstStage(path: string): Promise<Autoencoder> {
  const { tensors, metadata } = await readCheckpointFile(path);
  if (metadata.format !== FIRST_STAGE_FORMAT)
    throw new UserError(`${path}: not a first stage (format "${metadata.format ?? 'none'}")`);
  return built(path, () => {
    const autoencoder = createAutoencoder(JSON.parse(metadata.config ?? 'null') as AutoencoderConfig);
    autoencoder.loadStateDict(withoutPrefix(tensors, FIRST_STAGE_PREFIX));
    return autoencoder;
  });
}

/**
 * Writes a diffusion model with all that sampling needs, under LDM's names.
 * @param model with what embeds its classes, or a UNet alone. @throws {UserError}
 */
export async function saveDiffusionModel(
  path: string,
  model: Denoiser | UNet,
  metadata: DiffusionMetadata,
  precision: Precision,
): Promise<void> {
  const { unet, classEmbedder } = model instanceof UNet ? { unet: model, classEmbedder: undefined } : model;
  const state = withPrefix(await unet.stateDict(), UNET_PREFIX);
  const classes = classEmbedder ? withPrefix(await classEmbedder.stateDict(), CLASSES_PREFIX) : [];
  await saveTensors(path, new Map([...state, ...classes]), precision, {
    format: DIFFUSION_FORMAT,
    config: JSON.stringify(metadata),
  });
}

/**
 * @returns the UNet, and the denoiser that has it and all else that the model needs; disposing of that frees both.
 * @throws {UserError} when the file is missing, broken or no diffusion model.
 */
export async function loadDiffusionModel(
  path: string,
): Promise<{ unet: UNet; denoiser: Denoiser; metadata: DiffusionMetadata }> {
  const { tensors, metadata } = await readCheckpointFile(path);
  const parsed = readDiffusionMetadata(path, metadata);
  return built(path, () => {
    const { condition } = parsed;
    const classes = condition?.kind === 'class' ? condition.classes : 0;
    const denoiser = new Denoiser(parsed.unet, condition?.kind ?? 'none', classes);
    const { unet, classEmbedder } = denoiser;
    try {
      unet.loadStateDict(withoutPrefix(tensors, UNET_PREFIX));
      classEmbedder?.loadStateDict(withoutPrefix(tensors, CLASSES_PREFIX));
    } catch (error) {
      denoiser.dispose();
      throw error;
    }
    return { unet, denoiser, metadata: parsed };
  });
}

/** What the file of a diffusion model says of it. @throws {UserError} when it is none or cannot be read. */
export function readDiffusionMetadata(path: string, metadata: Readonly<Record<string, string>>): DiffusionMetadata {
  if (metadata.format !== DIFFUSION_FORMAT) {
    throw new UserError(`${path}: not a diffusion model of this command (format "${metadata.format ?? 'none'}")`);
  }
  return built(path, () => {
    const parsed = JSON.parse(metadata.config ?? 'null') as DiffusionMetadata;
    countParameters(parsed.unet);
    schedulerFromConfig(parsed.scheduler);
    if (!(parsed.scaleFactor > 0 && parsed.scaleFactor < Infinity)) throw new UserError('its scale factor is not one');
    return parsed;
  });
}

async function saveModule(
  path: string,
  module: Module,
  prefix: string,
  precision: Precision,
  metadata: Record<string, string>,
): Promise<void> {
  await saveTensors(path, withPrefix(await module.stateDict(), prefix), precision, metadata);
}

async function saveTensors(
  path: string,
  state: StateDict,
  precision: Precision,
  metadata: Record<string, string>,
): Promise<void> {
  await writeAtomically(path, writeSafetensors(new Map(inPrecision(state, precision)), metadata));
}

/** A state dict in the precision of a file: what is not float32, as counts, stays what it is. */
export function inPrecision(state: StateDict, precision: Precision): (readonly [name: string, view: TensorView])[] {
  return [...state].map(([name, view]) => [
    name,
    precision === 'float16' && view.dtype === 'F32' ? halved(view) : view,
  ]);
}

function halved(view: TensorView): TensorView {
  return float16View(toFloat32(view), view.shape);
}

/** Adds the file's name to errors about its contents. */
function built<T>(path: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof SpectralDiffusionError || error instanceof SyntaxError || error instanceof TypeError) {
      throw new UserError(`${path}: ${error.message}`);
    }
    throw error;
  }
}
