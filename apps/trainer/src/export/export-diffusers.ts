import { join } from 'node:path';
import { autoencoderConfigToDiffusers } from '@sd/autoencoder';
import { type TensorView, writeSafetensors } from '@sd/checkpoint';
import { unetConfigToDiffusers } from '@sd/unet';
import { writeAtomically } from '../files/atomic-file';
import { inPrecision } from '../files/weights-file';
import { type ExportedModel, explainedExport } from './export-ldm';

/** The release whose classes and fields are written. */
const DIFFUSERS_VERSION = '0.30.0';

const WEIGHTS = 'diffusion_pytorch_model.safetensors';

/**
 * Writes a model as a folder that diffusers' `from_pretrained` opens: an `LDMPipeline`, whose first stage is called
 * `vqvae` whatever it is, or a `StableDiffusionPipeline` without its text encoder where the model attends to a context.
 * @returns the files, and what the reader must know.
 * @throws {UserError} on networks that diffusers does not have, and when the files cannot be written.
 */
export async function exportDiffusers(
  folder: string,
  { unet, autoencoder, metadata, precision }: ExportedModel,
): Promise<{ files: string[]; notes: string[] }> {
  const instead = '--format onnx and --format ldm take every form';
  const unetConfig = explainedExport('diffusers', instead, () => unetConfigToDiffusers(unet.config));
  const vaeConfig = explainedExport('diffusers', instead, () => autoencoderConfigToDiffusers(autoencoder.config));
  const conditional = unet.config.contextDim !== undefined;
  const vae = conditional ? 'vae' : 'vqvae';
  const { _class_name: unetClass, ...unetFields } = unetConfig;
  const { _class_name: vaeClass, ...vaeFields } = vaeConfig;
  const { _class_name: schedulerClass, ...schedulerFields } = metadata.scheduler;
  const versioned = (className: unknown, fields: object) => ({
    _class_name: className,
    _diffusers_version: DIFFUSERS_VERSION,
    ...fields,
  });
  const none = [null, null];
  const index = versioned(conditional ? 'StableDiffusionPipeline' : 'LDMPipeline', {
    ...(conditional
      ? {
          feature_extractor: none,
          safety_checker: none,
          text_encoder: none,
          tokenizer: none,
          requires_safety_checker: false,
        }
      : {}),
    scheduler: ['diffusers', schedulerClass],
    unet: ['diffusers', unetClass],
    [vae]: ['diffusers', vaeClass],
  });
  const files: string[] = [];
  const write = async (name: string, data: Uint8Array | string) => {
    const path = join(folder, name);
    await writeAtomically(path, data);
    files.push(path);
  };
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  const weights = (state: ReadonlyMap<string, TensorView>) =>
    writeSafetensors(new Map(inPrecision(state, precision)), { format: 'pt' });
  await write(`unet/${WEIGHTS}`, weights(await unet.stateDict({ layout: 'diffusers', prefix: '' })));
  await write('unet/config.json', json(versioned(unetClass, unetFields)));
  await write(`${vae}/${WEIGHTS}`, weights(await autoencoder.stateDict({ layout: 'diffusers', prefix: '' })));
  const scaling = { scaling_factor: metadata.scaleFactor };
  await write(`${vae}/config.json`, json(versioned(vaeClass, { ...vaeFields, ...scaling })));
  await write('scheduler/scheduler_config.json', json(versioned(schedulerClass, schedulerFields)));
  await write('model_index.json', json(index)); // last: a folder that has it is whole
  const notes = conditional ? ['a text encoder and its tokenizer are to be passed to from_pretrained'] : [];
  return { files, notes };
}
