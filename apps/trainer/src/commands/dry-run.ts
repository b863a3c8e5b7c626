import { countMacs } from '@sd/unet';
import type { ProjectConfig } from '../config/schema';
import { duration } from '../console/progress';
import { drawsPerStep, microBatchSize } from '../training/accumulated-gradients';
import { buildDenoiser } from '../training/build-models';
import type { TrialStep } from '../training/trial-step';

/** A training step has a forward pass and a backward one, which costs two. */
const PASSES = 3;

/**
 * What a training takes, in lines for people: memory, MACs, time.
 * @param step as it was measured. @param backend where.
 */
export function dryRunReport(config: ProjectConfig, name: string, step: TrialStep, backend: string): string[] {
  const model = config.models[name];
  const { trained, unet } = buildDenoiser(config, name);
  const parameters = trained.parameterCount;
  const teacher = model.distillation?.module === undefined ? model.distillation?.teacher : undefined;
  const teacherUnet = teacher === undefined ? undefined : buildDenoiser(config, teacher).unet;
  const atOnce = microBatchSize(model);
  const draws = drawsPerStep(model);
  const gradients = draws === 1 ? 4 * parameters : 8 * parameters;
  const macs = countMacs(unet.config);
  const teacherMacs = teacherUnet ? countMacs(teacherUnet.config) : 0;
  const stepMacs = model.batchSize * (PASSES * macs + teacherMacs);
  const activations = Math.max(0, step.peakBytes - step.heldBytes - 4 * parameters);
  const stepSeconds = step.seconds * draws;
  return [
    `${name}: ${parameters.toLocaleString('en')} parameters, ${giga(macs)} MACs for one latent${teacherUnet ? `; teacher ${teacher}: ${teacherUnet.parameterCount.toLocaleString('en')}, ${giga(teacherMacs)}` : ''}`,
    `memory: weights ${megabytes(4 * parameters)}, AdamW's moments ${megabytes(8 * parameters)}, average ${megabytes(4 * parameters)}, gradients ${megabytes(gradients)}${teacherUnet ? `, teacher ${megabytes(4 * teacherUnet.parameterCount)}` : ''}, activations ${megabytes(activations)} for ${atOnce} at once`,
    `        ${megabytes(step.peakBytes)} of tensors at the most, measured on ${backend}; the backend's own buffers come on top`,
    `a step: a batch of ${model.batchSize}${draws === 1 ? '' : `, ${draws} times ${atOnce}`}, ${inMacs(stepMacs)}, ${stepSeconds.toPrecision(3)} s by one that took ${step.seconds.toPrecision(3)} s`,
    `${model.steps.toLocaleString('en')} steps: ${(stepMacs * model.steps).toExponential(2)} MACs, ${longDuration(stepSeconds * model.steps)}`,
  ];
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function giga(macs: number): string {
  return `${(macs / 1e9).toPrecision(3)} G`;
}

function inMacs(macs: number): string {
  return `${macs < 1e11 ? giga(macs) : `${(macs / 1e12).toPrecision(3)} T`} MACs`;
}

function longDuration(seconds: number): string {
  return seconds > 172_800 ? `${(seconds / 86_400).toFixed(1)} days` : duration(seconds);
}
