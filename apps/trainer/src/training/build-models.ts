import {
  type Autoencoder,
  type AutoencoderConfig,
  presets as autoencoderPresets,
  createAutoencoder,
} from '@sd/autoencoder';
import { type Scheduler, schedulerFromConfig } from '@sd/schedulers';
import { type UNetConfig, presets as unetPresets } from '@sd/unet';
import { Denoiser, isConditional } from '../conditions/denoiser';
import { withSuggestion } from '../config/nearest';
import type { DiffusionConfig, ProjectConfig } from '../config/schema';
import { UserError } from '../user-error';

/** The autoencoder of a preset's name or of a configuration. @throws {UserError} that names what is wrong. */
export function buildAutoencoder(model: string | Readonly<Record<string, unknown>>): Autoencoder {
  const config = named('firstStage.model', model, autoencoderPresets as Readonly<Record<string, AutoencoderConfig>>);
  return explained('firstStage.model', () => createAutoencoder(config));
}

/** The denoiser of one of a project's models. @throws {UserError} that names what is wrong. */
export function buildDenoiser({ models, condition }: ProjectConfig, name: string): Denoiser {
  const where = `models.${name}.unet`;
  const unet = named(where, models[name].unet, unetPresets as Readonly<Record<string, UNetConfig>>);
  return explained(where, () =>
    condition && isConditional(unet)
      ? new Denoiser(unet, condition.kind, condition.kind === 'class' ? condition.classes : 0)
      : new Denoiser(unet),
  );
}

/** The diffusion process as diffusers writes it into scheduler_config.json, with LDM's conventions for DDIM. */
export function schedulerConfig(diffusion: DiffusionConfig): Record<string, unknown> {
  return {
    _class_name: 'DDIMScheduler',
    num_train_timesteps: diffusion.trainTimesteps,
    beta_schedule: diffusion.betaSchedule,
    beta_start: diffusion.betaStart,
    beta_end: diffusion.betaEnd,
    prediction_type: diffusion.predictionType,
    clip_sample: false,
    set_alpha_to_one: false,
    steps_offset: 1,
    timestep_spacing: 'leading',
  };
}

export function buildScheduler(diffusion: DiffusionConfig): Scheduler {
  return explained('diffusion', () => schedulerFromConfig(schedulerConfig(diffusion)));
}

function named<T>(
  where: string,
  model: string | Readonly<Record<string, unknown>>,
  known: Readonly<Record<string, T>>,
): T {
  if (typeof model !== 'string') return model as T;
  const config = Object.hasOwn(known, model) ? known[model] : undefined;
  if (!config) throw new UserError(`config: ${where}: no preset ${withSuggestion(model, Object.keys(known))}`);
  return config;
}

function explained<T>(where: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw error instanceof UserError ? error : new UserError(`config: ${where}: ${(error as Error).message}`);
  }
}
