import {
  type AutoencoderConfig,
  type AutoencoderTinyConfig,
  autoencoderConfigFromDiffusers,
  autoencoderConfigFromLdm,
  type LdmAutoencoderParams,
} from '@sd/autoencoder';
import { type ClipTextConfig, clipTextConfigFromHuggingFace } from '@sd/clip';
import { type UNetConfig, unetConfigFromDiffusers, unetConfigFromLdm } from '@sd/unet';
import { UserError } from '../user-error';
import { explained } from './own-files';

/** What the configuration files of a drop say; what they do not say is undefined. */
export type DroppedConfigs = {
  unet?: UNetConfig;
  firstStage?: AutoencoderConfig | AutoencoderTinyConfig;
  text?: ClipTextConfig;
  /** A diffusers scheduler_config.json object. */
  scheduler?: Readonly<Record<string, unknown>>;
  scaleFactor?: number;
};

type Fields = { readonly [name: string]: unknown };

const MAX_BYTES = 1_000_000;

/** Of a tokenizer, and of what lists parts: JSON too, but no configurations. */
const OTHERS =
  /^(vocab|tokenizer|tokenizer_config|special_tokens_map|added_tokens|model_index)\.json$|\.index(\.\w+)?\.json$/i;

/** @param name without its folder. */
export function isConfig(name: string): boolean {
  return /\.(json|ya?ml)$/i.test(name) && !OTHERS.test(name);
}

/** Reads one of diffusers' JSON files, or LDM's yaml. @throws {UserError} on a file that cannot be understood. */
export async function takeConfig(configs: DroppedConfigs, path: string, file: File): Promise<void> {
  if (file.size > MAX_BYTES) throw new UserError(`${path}: ${file.size} bytes are too many for a configuration`);
  const text = await file.text();
  const isJson = /\.json$/i.test(path);
  const value = isJson ? explained(path, () => JSON.parse(text) as unknown) : await parseYaml(path, text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UserError(`${path}: not a configuration, which is an object`);
  }
  explained(path, () => (isJson ? takeJson(configs, value as Fields) : takeLdm(configs, value as Fields)));
}

async function parseYaml(name: string, text: string): Promise<unknown> {
  const { parse, YAMLError } = await import('yaml');
  try {
    return parse(text, { maxAliasCount: 100 });
  } catch (error) {
    throw new UserError(`${name}: ${error instanceof YAMLError ? error.message : 'no YAML'}`);
  }
}

/** By the class that a file of diffusers names, or the kind of model of transformers; of others nothing is taken. */
function takeJson(configs: DroppedConfigs, json: Fields): void {
  const className = typeof json._class_name === 'string' ? json._class_name : '';
  if (className.startsWith('UNet')) configs.unet = unetConfigFromDiffusers(json);
  else if (/^(AutoencoderKL|VQModel|AutoencoderTiny)$/.test(className)) {
    configs.firstStage = autoencoderConfigFromDiffusers(json);
  } else if (className.endsWith('Scheduler')) configs.scheduler = json;
  else if (json.model_type === 'clip_text_model' || (json.model_type === 'clip' && 'text_config' in json)) {
    configs.text = clipTextConfigFromHuggingFace(json);
  }
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
