import {
  type AutoencoderConfig,
  type AutoencoderTinyConfig,
  presets as autoencoderPresets,
  checkAutoencoderConfig,
  checkAutoencoderTinyConfig,
  downsampleFactor,
  tinyDownsampleFactor,
  tinyPresets,
} from '@sd/autoencoder';
import { formatValue, SpectralDiffusionError } from '@sd/core';
import {
  countParameters,
  UNET_CONFIG_FIELDS,
  type UNetConfig,
  presets as unetPresets,
  type WaveletConfig,
} from '@sd/unet';
import { conditionProblem, isConditional } from '../conditions/denoiser';
import type { Mistake } from './mistakes';
import { withSuggestion } from './nearest';

// Complete, or the types do not fit: the packages check values, but can suggest no name.
const WAVELET_KEYS: Readonly<Record<keyof WaveletConfig, true>> = {
  fuse: true,
  gate: true,
  gateHidden: true,
  wavelet: true,
};
/** Every key of a configuration of that kind is required, so a preset has them all. */
const AUTOENCODER_KEYS = {
  kl: Object.keys(autoencoderPresets['kl-f8']),
  vq: Object.keys(autoencoderPresets['vq-f4']),
} as const;

/**
 * What is wrong with the models of a project, beyond what the schema sees: names of presets, keys and values of
 * configurations written out, teachers that do not exist, models that do not fit the first stage's latents.
 *
 * @param project as it came from the file: any part of it may be missing or of the wrong type, which the schema says.
 */
export function modelMistakes(project: unknown): Mistake[] {
  if (!isRecord(project)) return [];
  const { models, firstStage, data, condition } = project;
  const stage = isRecord(firstStage) ? resolveFirstStage(firstStage.model) : {};
  const latent = stage.config && isRecord(data) ? latentOf(stage.config, data) : {};
  return [
    ...(isRecord(data) ? dataMistakes(data) : []),
    ...(stage.mistakes ?? []),
    ...(isRecord(firstStage) ? batchMistakes(['firstStage'], firstStage) : []),
    ...(latent.mistakes ?? []),
    ...Object.entries(isRecord(models) ? models : {}).flatMap(([name, model]) =>
      isRecord(model) && isRecord(models) ? oneModelMistakes(name, model, models, latent.shape, condition) : [],
    ),
  ];
}

type Resolved<T> = { readonly config?: T; readonly mistakes?: readonly Mistake[] };
type LatentShape = readonly [size: number, channels: number];

function resolveFirstStage(model: unknown): Resolved<AutoencoderConfig | AutoencoderTinyConfig> {
  const path = ['firstStage', 'model'];
  if (typeof model === 'string') {
    const known: Readonly<Record<string, AutoencoderConfig | AutoencoderTinyConfig>> = {
      ...autoencoderPresets,
      ...tinyPresets,
    };
    return preset(path, model, known);
  }
  if (!isRecord(model)) return {};
  if (model.kind === 'tiny') {
    return written(path, model, unknownKeys(path, model, Object.keys(tinyPresets.taesd)), checkAutoencoderTinyConfig);
  }
  const { kind } = model;
  const valid = kind === 'kl' || kind === 'vq' ? AUTOENCODER_KEYS[kind] : AUTOENCODER_KEYS.vq;
  return written(path, model, unknownKeys(path, model, valid), checkAutoencoderConfig);
}

function resolveUNet(path: readonly string[], unet: unknown): Resolved<UNetConfig> {
  if (typeof unet === 'string') return preset(path, unet, unetPresets);
  if (!isRecord(unet)) return {};
  const { wavelet } = unet;
  const unknown = [
    ...unknownKeys(path, unet, UNET_CONFIG_FIELDS),
    ...(isRecord(wavelet) ? unknownKeys([...path, 'wavelet'], wavelet, Object.keys(WAVELET_KEYS)) : []),
  ];
  return written(path, unet, unknown, countParameters);
}

function preset<T>(path: readonly string[], name: string, known: Readonly<Record<string, T>>): Resolved<T> {
  if (Object.hasOwn(known, name)) return { config: known[name] };
  return { mistakes: [{ path, message: `no preset ${withSuggestion(name, Object.keys(known))}` }] };
}

/** A configuration that is written out: its unknown keys, else what the package that it is for says of it. */
function written<T>(
  path: readonly string[],
  config: Readonly<Record<string, unknown>>,
  unknown: readonly Mistake[],
  check: (config: T) => unknown,
): Resolved<T> {
  if (unknown.length > 0) return { mistakes: unknown };
  try {
    check(config as T);
    return { config: config as T };
  } catch (error) {
    if (!(error instanceof SpectralDiffusionError)) throw error;
    return { mistakes: [{ path, message: error.message }] };
  }
}

function unknownKeys(path: readonly string[], value: object, valid: readonly string[]): Mistake[] {
  return Object.keys(value)
    .filter((key) => !valid.includes(key))
    .map((key) => ({ path, message: `unknown key ${withSuggestion(key, valid)}` }));
}

/** Size and channels of the latents of the project's images. */
function latentOf(
  config: AutoencoderConfig | AutoencoderTinyConfig,
  { source, size: given }: Readonly<Record<string, unknown>>,
): { readonly shape?: LatentShape; readonly mistakes?: readonly Mistake[] } {
  const size = given ?? (source === 'dead-leaves' ? 32 : 64);
  if (typeof size !== 'number') return {};
  const isTiny = config.kind === 'tiny';
  const factor = isTiny ? tinyDownsampleFactor(config) : downsampleFactor(config);
  if (size % factor !== 0) {
    const message = `${size} is not a multiple of ${factor}, by which the first stage makes images smaller`;
    return { mistakes: [{ path: ['data', 'size'], message }] };
  }
  return { shape: [size / factor, isTiny ? config.latentChannels : config.embedDim] };
}

function oneModelMistakes(
  name: string,
  model: Readonly<Record<string, unknown>>,
  models: Readonly<Record<string, unknown>>,
  latent: LatentShape | undefined,
  condition: unknown,
): Mistake[] {
  const { unet, distillation } = model;
  const path = ['models', name, 'unet'];
  const { config, mistakes = [] } = resolveUNet(path, unet);
  const named = isRecord(distillation) && distillation.module === undefined;
  const teacher = named ? (distillation.teacher ?? 'teacher') : undefined;
  return [
    ...mistakes,
    ...batchMistakes(['models', name], model),
    ...(config ? [...fitMistakes(path, config, latent), ...conditionMistakes(path, config, condition)] : []),
    ...(typeof teacher === 'string' ? teacherMistakes(name, teacher, Object.keys(models)) : []),
    ...(isRecord(distillation) ? cacheMistakes(name, model, distillation) : []),
  ];
}

function dataMistakes({ size = 64, resize }: Readonly<Record<string, unknown>>): Mistake[] {
  if (typeof size !== 'number' || typeof resize !== 'number' || resize >= size) return [];
  const message = `${resize} is smaller than the size, ${size}, that is cut from the picture`;
  return [{ path: ['data', 'resize'], message }];
}

function batchMistakes(
  path: readonly string[],
  { batchSize, microBatchSize }: Readonly<Record<string, unknown>>,
): Mistake[] {
  if (typeof batchSize !== 'number' || typeof microBatchSize !== 'number') return [];
  if (microBatchSize > 0 && batchSize % microBatchSize === 0) return [];
  return [
    { path: [...path, 'microBatchSize'], message: `${microBatchSize} does not divide the batchSize, ${batchSize}` },
  ];
}

function fitMistakes(path: readonly string[], config: UNetConfig, latent: LatentShape | undefined): Mistake[] {
  const { imageSize, inChannels, outChannels } = config;
  const messages: string[] = [];
  if (outChannels !== inChannels) messages.push(`outChannels is ${outChannels}, but must be inChannels, ${inChannels}`);
  if (latent && (imageSize !== latent[0] || inChannels !== latent[1])) {
    const [size, channels] = latent;
    messages.push(
      `it is for ${imageSize}x${imageSize}x${inChannels}, but the first stage makes latents of ${size}x${size}x${channels}`,
    );
  }
  return messages.map((message) => ({ path, message }));
}

function conditionMistakes(path: readonly string[], config: UNetConfig, condition: unknown): Mistake[] {
  if (!isConditional(config)) return [];
  if (condition === undefined) {
    return [
      {
        path,
        message: 'it needs a condition: give the project a section condition, such as { kind: class, classes: 10 }',
      },
    ];
  }
  if (!isRecord(condition)) return [];
  const { kind, classes } = condition;
  if (kind !== 'text' && (kind !== 'class' || typeof classes !== 'number')) return [];
  const problem = conditionProblem(config, kind, typeof classes === 'number' ? classes : 0);
  return problem ? [{ path, message: `it must be ${problem.expected}, got ${formatValue(problem.actual)}` }] : [];
}

function teacherMistakes(student: string, teacher: string, names: readonly string[]): Mistake[] {
  const path = ['models', student, 'distillation', 'teacher'];
  if (teacher === student) return [{ path, message: 'a model cannot be its own teacher' }];
  if (names.includes(teacher)) return [];
  return [{ path, message: `no model ${withSuggestion(teacher, names)}` }];
}

function cacheMistakes(
  name: string,
  { examples }: Readonly<Record<string, unknown>>,
  { cache }: Readonly<Record<string, unknown>>,
): Mistake[] {
  if (cache === undefined || examples !== undefined) return [];
  const message = `it keeps the teacher's outputs for a finite set of noisy examples: say how many as models.${name}.examples`;
  return [{ path: ['models', name, 'distillation', 'cache'], message }];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
