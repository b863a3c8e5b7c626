import { SpectralDiffusionError } from '@sd/core';
import { countMacs } from '@sd/unet';
import type { ModelId } from '../model-id';
import type { ModelInfo, SamplerInfo } from '../protocol';
import { SAMPLER_NAMES, SIGMA_FIELDS, type SigmaSpacing, samplerScheduler, takesEta } from '../trainer';
import { UserError } from '../user-error';
import { classCount, factorOf, type Pipeline } from './pipeline';

/** What the page needs to know of a model to offer it. */
export function describe(id: ModelId, pipeline: Pipeline): ModelInfo {
  const { unet, scheduler, firstStage, condition, label, notes } = pipeline;
  const { imageSize, inChannels, resample } = unet.config;
  const samplers = SAMPLER_NAMES.flatMap((name) => samplerInfo(scheduler.config, name));
  return {
    id,
    label,
    parameters: unet.parameterCount,
    macs: countMacs(unet.config, contextOf(pipeline)),
    pixels: imageSize * factorOf(firstStage),
    latent: [imageSize, imageSize, inChannels],
    predictionType: scheduler.predictionType,
    resample,
    samplers,
    ownSampler: ownSampler(scheduler.config, scheduler.className, samplers),
    trainTimesteps: scheduler.alphasCumprod.length,
    classes: classCount(condition),
    classNames: 'names' in condition ? condition.names : [],
    prompts: condition.kind === 'text',
    guidance: condition.kind === 'labels' ? condition.none !== null : condition.kind !== 'none',
    notes,
  };
}

function contextOf({ condition }: Pipeline): { contextLength?: number } {
  if (condition.kind === 'text') return { contextLength: condition.encoder.tokenizer.maxLength };
  return condition.kind === 'classes' ? { contextLength: 1 } : {};
}

function samplerInfo(own: Readonly<Record<string, unknown>>, name: string): SamplerInfo[] {
  const scheduler = made(() => samplerScheduler(own, { sampler: name }));
  if (scheduler === null) return [];
  const sigmas = (Object.keys(SIGMA_FIELDS) as SigmaSpacing[]).filter(
    (spacing) => made(() => samplerScheduler(own, { sampler: name, sigmas: spacing })) !== null,
  );
  return [{ name, eta: takesEta(scheduler), sigmas }];
}

/** The short name of the model's own sampler, or of the first that goes with it. */
function ownSampler(
  own: Readonly<Record<string, unknown>>,
  className: string,
  samplers: readonly SamplerInfo[],
): string {
  const same = samplers.find(({ name }) => samplerScheduler(own, { sampler: name }).className === className);
  return (same ?? samplers[0])?.name ?? '';
}

/** Null where the sampler does not go with the model. */
function made<T>(make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    if (error instanceof SpectralDiffusionError) return null;
    throw error;
  }
}

/** @throws {UserError} where no sampler goes with the model. */
export function checkSamplers({ label, samplers }: ModelInfo): void {
  if (samplers.length === 0) throw new UserError(`${label}: no sampler here goes with it`);
}
