import {
  type AutoencoderConfig,
  type AutoencoderTinyConfig,
  autoencoderConfigFromDiffusers,
  autoencoderConfigFromLdm,
  type LdmAutoencoderParams,
} from '@sd/autoencoder';
import { type UNetConfig, unetConfigFromDiffusers, unetConfigFromLdm } from '@sd/unet';
import { UserError } from '../user-error';
import { explained } from './own-files';

/** What the configuration files of a drop say; what they do not say is undefined. */
export type DroppedConfigs = {
  unet?: UNetConfig;
  firstStage?: AutoencoderConfig | AutoencoderTinyConfig;
  /** A diffusers scheduler_config.json object. */
  scheduler?: Readonly<Record<string, unknown>>;
  scaleFactor?: number;
};

type Fields = { readonly [name: string]: unknown };

const MAX_BYTES = 1_000_000;

export function isConfig(name: string): boolean {
  return /\.(json|ya?ml)$/i.test(name);
}

/** Reads diffusers' JSON files and LDM's yaml. @throws {UserError} on files that cannot be understood. */
export async function readConfigs(files: readonly File[]): Promise<DroppedConfigs> {
  const configs: DroppedConfigs = {};
  for (const file of files) {
    if (file.size > MAX_BYTES) throw new UserError(`${file.name}: ${file.size} bytes are too many for a configuration`);
    const text = await file.text();
    const isJson = /\.json$/i.test(file.name);
    const value = isJson ? explained(file.name, () => JSON.parse(text) as unknown) : await parseYaml(file.name, text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new UserError(`${file.name}: not a configuration, which is an object`);
    }
    explained(file.name, () => (isJson ? takeDiffusers(configs, value as Fields) : takeLdm(configs, value as Fields)));
  }
  return configs;
}

async function parseYaml(name: string, text: string): Promise<unknown> {
  const { parse, YAMLError } = await import('yaml');
  try {
    return parse(text, { maxAliasCount: 100 });
  } catch (error) {
    throw new UserError(`${name}: ${error instanceof YAMLError ? error.message : 'no YAML'}`);
  }
}

/** By the class that a file of diffusers names; of others, such as a tokenizer's, nothing is taken. */
function takeDiffusers(configs: DroppedConfigs, json: Fields): void {
  const className = typeof json._class_name === 'string' ? json._class_name : '';
  if (className.startsWith('UNet')) configs.unet = unetConfigFromDiffusers(json);
  else if (/^(AutoencoderKL|VQModel|AutoencoderTiny)$/.test(className)) {
    configs.firstStage = autoencoderConfigFromDiffusers(json);
  } else if (className.endsWith('Scheduler')) configs.scheduler = json;
}

function takeLdm(configs: DroppedConfigs, yaml: Fields): void {
  const params = fieldsOf(fieldsOf(yaml.model).params);
  const unet = fieldsOf(fieldsOf(params.unet_config).params);
  if (Object.keys(unet).length > 0) configs.unet = unetConfigFromLdm(unet);
  const stage = fieldsOf(fieldsOf(params.first_stage_config).params);
  if ('ddconfig' in stage) configs.firstStage = autoencoderConfigFromLdm(stage as LdmAutoencoderParams);
  else if ('ddconfig' in params) configs.firstStage = autoencoderConfigFromLdm(params as LdmAutoencoderParams);
  if (typeof params.scale_factor === 'number') configs.scaleFactor = params.scale_factor;
  if (typeof params.linear_start === 'number' && typeof params.linear_end === 'number') {
    configs.scheduler = ldmScheduler({
      beta_start: params.linear_start,
      beta_end: params.linear_end,
      ...(typeof params.timesteps === 'number' ? { num_train_timesteps: params.timesteps } : {}),
      prediction_type:
        params.parameterization === 'v' ? 'v_prediction' : params.parameterization === 'x0' ? 'sample' : 'epsilon',
    });
  }
}

/** LDM's DDIM; its `linear` betas are diffusers' `scaled_linear`. */
export function ldmScheduler(fields: Fields): Fields {
  return {
    _class_name: 'DDIMScheduler',
    beta_schedule: 'scaled_linear',
    clip_sample: false,
    set_alpha_to_one: false,
    steps_offset: 1,
    ...fields,
  };
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}
