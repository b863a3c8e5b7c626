import { type AutoencoderConfig, createAutoencoder } from '@sd/autoencoder';
import type { TensorFile } from '@sd/checkpoint';
import { SpectralDiffusionError } from '@sd/core';
import { schedulerFromConfig } from '@sd/schedulers';
import { UNet, type UNetConfig } from '@sd/unet';
import { UserError } from '../user-error';
import type { FirstStage, Pipeline } from './pipeline';

// The files of the command `sd` say by themselves what they are.

/** `__metadata__.format` of a first stage and of a diffusion model. */
export const FIRST_STAGE_FORMAT = 'sd-first-stage-1';
export const DIFFUSION_FORMAT = 'sd-diffusion-1';

export type Metadata = Readonly<Record<string, string>>;

/** What a file of a diffusion model says beside its weights. */
export type DiffusionMetadata = {
  readonly unet: UNetConfig;
  readonly scheduler: Readonly<Record<string, unknown>>;
  readonly scaleFactor: number;
  /** What a conditional model makes images of; of `classes` labels the one after the last means none. */
  readonly condition?: {
    readonly kind: string;
    readonly classes?: number;
    readonly classNames?: readonly string[];
    /** SHA-256 of the text encoder's files; empty where it is not known. */
    readonly encoder?: string;
  };
};

/** @throws {UserError} on metadata that no such model can have. */
export function readDiffusionMetadata(name: string, metadata: Metadata): DiffusionMetadata {
  return explained(name, () => {
    const parsed = JSON.parse(metadata.config ?? 'null') as DiffusionMetadata | null;
    if (parsed === null || typeof parsed !== 'object') throw new UserError('its configuration is missing');
    schedulerFromConfig(parsed.scheduler);
    if (!(parsed.scaleFactor > 0 && parsed.scaleFactor < Infinity)) throw new UserError('its scale factor is not one');
    return parsed;
  });
}

/** @throws {UserError} on what is no first stage, or broken. */
export async function loadFirstStage(name: string, file: TensorFile, metadata: Metadata): Promise<FirstStage> {
  const network = explained(name, () => createAutoencoder(JSON.parse(metadata.config ?? 'null') as AutoencoderConfig));
  await explainedLater<unknown>(name, network.loadFrom(file));
  return { network, scale: 1, shift: 0 };
}

/** An unconditional model. @param firstStage borrowed: several models share one. @throws {UserError} */
export async function loadDiffusionModel(
  name: string,
  label: string,
  file: TensorFile,
  { unet: config, scheduler, scaleFactor }: DiffusionMetadata,
  firstStage: FirstStage,
): Promise<Pipeline> {
  const unet = explained(name, () => new UNet(config));
  await explainedLater(name, unet.loadFrom(file));
  return {
    unet,
    scheduler: schedulerFromConfig(scheduler),
    firstStage: { ...firstStage, scale: scaleFactor, shift: 0 },
    condition: { kind: 'none' },
    label,
    notes: [],
  };
}

/** Adds the file's name to errors about its contents. */
export function explained<T>(name: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw named(name, error);
  }
}

export async function explainedLater<T>(name: string, made: Promise<T>): Promise<T> {
  try {
    return await made;
  } catch (error) {
    throw named(name, error);
  }
}

function named(name: string, error: unknown): unknown {
  const isKnown =
    error instanceof SpectralDiffusionError ||
    error instanceof SyntaxError ||
    error instanceof TypeError ||
    (error instanceof Error && error.name === 'CheckpointError');
  return isKnown ? new UserError(`${name}: ${shortened((error as Error).message)}`) : error;
}

const LONGEST_LINE = 240;

/** Lists of hundreds of tensors are cut: who reads them on a page? */
function shortened(message: string): string {
  return message
    .split('\n')
    .map((line) => (line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE).replace(/, [^,]*$/, '')}, …` : line))
    .join('\n');
}
