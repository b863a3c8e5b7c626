import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Autoencoder,
  type AutoencoderConfig,
  AutoencoderTiny,
  type AutoencoderTinyConfig,
  presets as autoencoderPresets,
  createAutoencoder,
  downsampleFactor,
  tinyDownsampleFactor,
  tinyPresets,
} from '@sd/autoencoder';
import { SpectralDiffusionError } from '@sd/core';
import type { Module } from '@sd/nn';
import { withSuggestion } from '../config/nearest';
import { UserError } from '../user-error';
import { fileDigest } from './file-digest';
import { withSafetensors, withWeights } from './tensor-file';
import { FIRST_STAGE_FORMAT, loadFirstStage } from './weights-file';

/** A first stage that latents can be made with; those of the TAESD family are used, not trained. */
export type AnyFirstStage = Autoencoder | AutoencoderTiny;

/** A preset's name or a configuration, as a project has it. */
type ModelName = string | Readonly<Record<string, unknown>>;

/** How many times smaller than the image the latent is, in height and in width. */
export function firstStageFactor(firstStage: AnyFirstStage): number {
  return firstStage.kind === 'tiny' ? tinyDownsampleFactor(firstStage.config) : downsampleFactor(firstStage.config);
}

/** Is it of the TAESD family? */
export function isTinyModel(model: unknown): boolean {
  if (typeof model === 'string') return Object.hasOwn(tinyPresets, model);
  return typeof model === 'object' && model !== null && (model as { kind?: unknown }).kind === 'tiny';
}

/**
 * Reads a first stage from a file of this command, from a checkpoint of latent-diffusion (`model.ckpt`, of the first
 * stage alone or of a whole model), from diffusers (`vae/`, or the folder of a pipeline) or from TAESD's files (the folder
 * of `*encoder*` and `*decoder*`).
 * @param model what the file holds, where it does not say so itself. @throws {UserError}
 */
export async function openFirstStageWeights(path: string, model: ModelName): Promise<AnyFirstStage> {
  const isFolder = await stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
  if (!isFolder && (await safetensorsFormat(path)) === FIRST_STAGE_FORMAT) return loadFirstStage(path);
  const firstStage = buildFirstStage(model);
  try {
    if (firstStage.kind === 'tiny' && isFolder && (await hasHalves(path))) {
      await load(await half(path, 'encoder'), firstStage.encoder);
      await load(await half(path, 'decoder'), firstStage.decoder);
    } else {
      await load(isFolder ? await weightsIn(path, 'vae') : path, firstStage);
    }
    return firstStage;
  } catch (error) {
    firstStage.dispose();
    throw error;
  }
}

/** What a safetensors file of this command calls itself; nothing for any other file. */
export async function safetensorsFormat(path: string): Promise<string | undefined> {
  if (!path.endsWith('.safetensors')) return undefined;
  return withSafetensors(path, async ({ metadata }) => metadata.format);
}

/** Loads a module from weights of any project that it knows. @throws {UserError} that names the file. */
export async function load(path: string, module: Module): Promise<void> {
  try {
    await withWeights(path, (file) => module.loadFrom(file));
  } catch (error) {
    if (error instanceof UserError || !(error instanceof SpectralDiffusionError)) throw error;
    throw new UserError(`${path}: ${error.message}`);
  }
}

const WEIGHTS = [
  'diffusion_pytorch_model.safetensors',
  'diffusion_pytorch_model.fp16.safetensors',
  'diffusion_pytorch_model.bin',
  'model.safetensors',
  'model.ckpt',
] as const;

/** The file of weights in a folder of diffusers or of latent-diffusion. @throws {UserError} */
export async function weightsIn(folder: string, component: string): Promise<string> {
  for (const part of [component, '']) {
    const names = await readdir(join(folder, part)).catch((): string[] => []);
    const found = WEIGHTS.find((name) => names.includes(name));
    if (found) return join(folder, part, found);
  }
  throw new UserError(`${folder} holds no weights: looked there and in ${component}/ for ${WEIGHTS.join(', ')}`);
}

/** The SHA-256 of weights: of a file, or of all files of weights in a folder. */
export async function weightsDigest(path: string): Promise<string> {
  const isFolder = (await stat(path)).isDirectory();
  if (!isFolder) return fileDigest(path);
  const hash = createHash('sha256');
  for (const part of ['', 'unet', 'vae']) {
    const names = await readdir(join(path, part)).catch((): string[] => []);
    for (const name of names.filter((file) => /\.(safetensors|bin|ckpt|pth|pt)$/.test(file)).sort()) {
      hash.update(`${part}/${name} ${await fileDigest(join(path, part, name))}\n`);
    }
  }
  return hash.digest('hex');
}

async function hasHalves(folder: string): Promise<boolean> {
  const names = await readdir(folder);
  return names.some((name) => isHalf(name, 'encoder'));
}

async function half(folder: string, which: 'encoder' | 'decoder'): Promise<string> {
  const names = (await readdir(folder)).filter((name) => isHalf(name, which)).sort();
  if (names.length === 1) return join(folder, names[0]);
  const found = names.length === 0 ? 'none' : names.join(', ');
  throw new UserError(`${folder} must hold one ${which}, as taesd_${which}.pth; found ${found}`);
}

function isHalf(name: string, which: 'encoder' | 'decoder'): boolean {
  return name.includes(which) && /\.(pth|pt|safetensors)$/.test(name);
}

function buildFirstStage(model: ModelName): AnyFirstStage {
  const known = { ...autoencoderPresets, ...tinyPresets } as Readonly<
    Record<string, AutoencoderConfig | AutoencoderTinyConfig>
  >;
  if (typeof model === 'string' && !Object.hasOwn(known, model)) {
    throw new UserError(`config: firstStage.model: no preset ${withSuggestion(model, Object.keys(known))}`);
  }
  const config = (typeof model === 'string' ? known[model] : model) as AutoencoderConfig | AutoencoderTinyConfig;
  try {
    return config.kind === 'tiny' ? new AutoencoderTiny(config) : createAutoencoder(config);
  } catch (error) {
    throw error instanceof SpectralDiffusionError ? new UserError(`config: firstStage.model: ${error.message}`) : error;
  }
}
