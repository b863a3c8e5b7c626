import { join } from 'node:path';
import { autoencoderConfigToLdm } from '@sd/autoencoder';
import { float32View, type TensorView, writeSafetensors } from '@sd/checkpoint';
import { ArgumentError } from '@sd/core';
import { withPrefix } from '@sd/nn';
import { type ClassEmbedder, type UNet, unetConfigToLdm } from '@sd/unet';
import { stringify } from 'yaml';
import { writeAtomically } from '../files/atomic-file';
import type { AnyFirstStage } from '../files/first-stage-file';
import { type DiffusionMetadata, inPrecision, type Precision } from '../files/weights-file';
import { UserError } from '../user-error';

export type ExportedModel = {
  readonly unet: UNet;
  /** Of a UNet that sees a class as a context of one token. */
  readonly classEmbedder?: ClassEmbedder | undefined;
  readonly autoencoder: AnyFirstStage;
  readonly metadata: DiffusionMetadata;
  readonly precision: Precision;
};

/**
 * Writes a model as latent-diffusion keeps it: one `model.safetensors` with the names of its checkpoints, and the
 * `config.yaml` that its `instantiate_from_config` builds the model of.
 * @returns the files, and what the reader must know: why there is no `config.yaml` where latent-diffusion has no such network.
 * @throws {UserError} when they cannot be written.
 */
export async function exportLdm(folder: string, model: ExportedModel): Promise<{ files: string[]; notes: string[] }> {
  const { unet, classEmbedder, autoencoder, metadata, precision } = model;
  const weights = join(folder, 'model.safetensors');
  const tensors = new Map<string, TensorView>([
    ...inPrecision(withPrefix(await unet.stateDict(), 'model.diffusion_model.'), precision),
    ...inPrecision(withPrefix(await autoencoder.stateDict(), 'first_stage_model.'), precision),
    ...(classEmbedder ? inPrecision(withPrefix(await classEmbedder.stateDict(), 'cond_stage_model.'), precision) : []),
    ['scale_factor', float32View(Float32Array.of(metadata.scaleFactor), [])],
  ]);
  await writeAtomically(weights, writeSafetensors(tensors, { format: 'pt' }));
  const config = ldmConfig(model);
  if (config instanceof ArgumentError) {
    return { files: [weights], notes: [`no config.yaml: latent-diffusion has no such network: ${config.message}`] };
  }
  const yaml = join(folder, 'config.yaml');
  await writeAtomically(yaml, stringify(config));
  const notes: string[] = [];
  if (metadata.scheduler.prediction_type === 'v_prediction') {
    notes.push('v predictions: CompVis/latent-diffusion has none, Stability-AI/stablediffusion has');
  }
  if (unet.config.contextDim !== undefined && !classEmbedder) {
    notes.push('config.yaml is without the text encoder: name it as cond_stage_config');
  }
  return { files: [weights, yaml], notes };
}

/** What latent-diffusion calls betas and predictions. */
const SCHEDULES: Readonly<Record<string, string>> = {
  scaled_linear: 'linear',
  linear: 'sqrt_linear',
  squaredcos_cap_v2: 'cosine',
};
const PREDICTIONS: Readonly<Record<string, string>> = { epsilon: 'eps', sample: 'x0', v_prediction: 'v' };

function ldmConfig({
  unet,
  classEmbedder,
  autoencoder,
  metadata,
}: ExportedModel): Record<string, unknown> | ArgumentError {
  const { scheduler } = metadata;
  const schedule = SCHEDULES[String(scheduler.beta_schedule)];
  if (schedule === undefined) {
    return new ArgumentError(
      'exportLdm',
      'beta_schedule',
      Object.keys(SCHEDULES).join(' or '),
      scheduler.beta_schedule,
    );
  }
  if (autoencoder.kind === 'tiny') {
    return new ArgumentError('exportLdm', 'first stage', 'a VQ or KL one', 'one of the TAESD family');
  }
  try {
    const { imageSize, inChannels, contextDim } = unet.config;
    const isKl = autoencoder.kind === 'kl';
    return {
      model: {
        target: 'ldm.models.diffusion.ddpm.LatentDiffusion',
        params: {
          timesteps: scheduler.num_train_timesteps,
          beta_schedule: schedule,
          linear_start: scheduler.beta_start,
          linear_end: scheduler.beta_end,
          parameterization: PREDICTIONS[String(scheduler.prediction_type)] ?? 'eps',
          first_stage_key: 'image',
          image_size: imageSize,
          channels: inChannels,
          // with this the scale factor is a part of the model's state, as it is of the file
          scale_by_std: true,
          scale_factor: metadata.scaleFactor,
          ...(contextDim === undefined ? {} : { conditioning_key: 'crossattn' }),
          ...(classEmbedder ? { cond_stage_key: 'class_label' } : {}),
          unet_config: {
            target: 'ldm.modules.diffusionmodules.openaimodel.UNetModel',
            params: unetConfigToLdm(unet.config),
          },
          first_stage_config: {
            target: `ldm.models.autoencoder.${isKl ? 'AutoencoderKL' : 'VQModelInterface'}`,
            params: { ...autoencoderConfigToLdm(autoencoder.config), lossconfig: { target: 'torch.nn.Identity' } },
          },
          cond_stage_config: classEmbedder
            ? {
                target: 'ldm.modules.encoders.modules.ClassEmbedder',
                params: { embed_dim: contextDim, n_classes: classEmbedder.embedding.config.count, key: 'class_label' },
              }
            : '__is_unconditional__',
        },
      },
    };
  } catch (error) {
    if (error instanceof ArgumentError) return error;
    throw error;
  }
}

/** Adds what an export is for to an error about its configuration. */
export function explainedExport<T>(format: string, instead: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof ArgumentError)
      throw new UserError(`export: ${format} has no such network: ${error.message}; ${instead}`);
    throw error;
  }
}
