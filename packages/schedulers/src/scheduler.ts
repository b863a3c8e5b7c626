import { ArgumentError } from '@sd/core';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { completeConfig, type Fields, snakeCase } from './config-fields';
import {
  addNoise,
  checkTimestep,
  predictedNoise,
  predictedSample,
  snr,
  trainingTarget,
  velocity,
} from './forward-process';
import { levelOfAlphaCumprod, type NoiseLevel } from './noise-level';
import type { NoiseSchedule } from './noise-schedule';
import type { PredictionType } from './prediction';
import { planOf, type RunOptions } from './run-options';
import { type Model, type SampleOptions, sampleLoop } from './sample-loop';
import type { PlannedStep, Sampler } from './sampler';
import { type ImageStart, type ImageStartOptions, startFromImage } from './start-from-image';

/**
 * A forward process with an algorithm that runs it backwards. Stateless: all methods may be called in any order, and
 * runs may overlap. Tensors are borrowed, results owned by the caller.
 */
export type Scheduler = {
  /** diffusers' name of the algorithm. */
  readonly className: string;
  /** The complete configuration as a diffusers scheduler_config.json object; `schedulerFromConfig` takes it. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The tables of the forward process; where it is no DDPM, those of the DDPM with its ratios of signal to noise. */
  readonly schedule: NoiseSchedule;
  /** abar_t, t = 0..T-1. */
  readonly alphasCumprod: Float64Array;
  readonly predictionType: PredictionType;
  /** The timesteps of the model calls of a run, in order. @throws {ArgumentError} on counts that it cannot take. */
  timesteps(steps: number): readonly number[];
  /** The standard deviation that the noise must have from which `sample` starts. */
  initNoiseSigma(steps: number): number;
  /**
   * The steps of a run as numbers: what the model is asked, and x and the memory after it as linear combinations.
   * `sample` does no more than to carry this out.
   */
  plan(options: RunOptions): readonly PlannedStep[];
  /** Denoises. @param x noise times `initNoiseSigma(steps)`, borrowed. See `SampleOptions` and `Model`. */
  sample<X extends Tensor = Tensor4D>(model: Model<X>, x: X, options: SampleOptions<X>): Promise<X>;
  /** For image-to-image: the noisy image from which `sample` goes on, and the step it goes on from. */
  startFromImage<X extends Tensor = Tensor4D>(image: X, noise: X, options: ImageStartOptions): ImageStart<X>;
  /** x_t = signal x_0 + noise eps, as the sampler has it: scaled as x in `sample` is. */
  levelAt(t: number, operation?: string): NoiseLevel;
  /** x_t of `[N, ...]` images and N timesteps, as the sampler has it. */
  addNoise<X extends Tensor>(x0: X, noise: X, t: readonly number[]): X;
  /** sqrt(abar_t) eps - sqrt(1 - abar_t) x_0; for flow matching eps - x_0. */
  velocity<X extends Tensor>(x0: X, noise: X, t: readonly number[]): X;
  /** What the model is trained to give, by the prediction type. */
  trainingTarget<X extends Tensor>(x0: X, noise: X, t: readonly number[]): X;
  /** The x_0 that the model's output at x_t stands for. Unclipped. */
  predictedSample<X extends Tensor>(output: X, x: X, t: readonly number[]): X;
  /** The eps that the model's output at x_t stands for. */
  predictedNoise<X extends Tensor>(output: X, x: X, t: readonly number[]): X;
  /** The ratio of signal to noise, abar_t / (1 - abar_t), for `minSnrWeight` and `p2Weight`. */
  snr(t: number): number;
};

/** An algorithm and its configuration, by which the JSON of diffusers is read. */
export type SchedulerClass = {
  readonly className: string;
  /** The names of the configuration's fields, in camelCase. */
  readonly fieldNames: readonly string[];
  /**
   * @param given fields of the configuration, under the names that `spell` gives them; others are not looked at.
   * @throws {ArgumentError} naming `operation` and the field on values that are not accepted.
   */
  create(operation: string, given: Readonly<Record<string, unknown>>, spell?: (name: string) => string): Scheduler;
};

/** What a sampler's file makes of a configuration. */
export type Algorithm = {
  readonly schedule: NoiseSchedule;
  readonly predictionType: PredictionType;
  readonly sampler: Sampler;
  /** Where x_t stands at a timestep of the model; left out, where a DDPM's does, for t = 0..T-1. */
  readonly levelAt?: (t: number, operation: string) => NoiseLevel;
  /** What replaces the training methods of a scheduler whose model is none of the prediction types. */
  readonly methods?: Partial<Pick<Scheduler, 'velocity' | 'trainingTarget' | 'predictedSample' | 'predictedNoise'>>;
};

export type SchedulerDefinition<C> = {
  readonly className: string;
  readonly fields: Fields<C>;
  /** @param refuse throws an `ArgumentError` about a field whose value does not go with the others. */
  readonly algorithm: (config: C, refuse: (field: keyof C & string, expected: string) => never) => Algorithm;
};

/** Makes a class of an algorithm: what a sampler's file calls. */
export function defineScheduler<C extends object>(definition: SchedulerDefinition<C>): SchedulerClass {
  const { className, fields } = definition;
  return {
    className,
    fieldNames: Object.keys(fields),
    create(operation, given, spell = (name) => name) {
      const betas = given[spell('trainedBetas')];
      const count = Array.isArray(betas) ? { [spell('numTrainTimesteps')]: betas.length } : {};
      const config = completeConfig<C>(operation, fields, { ...count, ...given }, spell);
      const refuse = (field: keyof C & string, expected: string): never => {
        throw new ArgumentError(operation, spell(field), expected, config[field]);
      };
      return schedulerOf(className, config, definition.algorithm(config, refuse));
    },
  };
}

function schedulerOf(className: string, config: object, algorithm: Algorithm): Scheduler {
  const { schedule, predictionType, sampler, methods } = algorithm;
  const { alphasCumprod } = schedule;
  const ddpmLevel = (t: number, operation: string) => {
    checkTimestep(operation, t, schedule);
    return levelOfAlphaCumprod(alphasCumprod[t]);
  };
  const levelAt = (t: number, operation = `${className}.levelAt`) => (algorithm.levelAt ?? ddpmLevel)(t, operation);
  const process = { alphasCumprod, levelAt };
  const entries = Object.entries(config).map(([name, value]) => [snakeCase(name), value]);
  return {
    className,
    config: Object.freeze({ _class_name: className, ...Object.fromEntries(entries) }),
    schedule,
    alphasCumprod,
    predictionType,
    timesteps: (steps) => sampler.timesteps(steps),
    initNoiseSigma: (steps) => sampler.initNoiseSigma(steps),
    plan: (options) => planOf(`${className}.plan`, sampler, options).plan,
    sample: (model, x, options) => sampleLoop(`${className}.sample`, sampler, model, x, options),
    startFromImage: (image, noise, options) =>
      startFromImage(`${className}.startFromImage`, sampler, image, noise, options),
    levelAt,
    addNoise: (x0, noise, t) => addNoise(process, x0, noise, t),
    velocity: (x0, noise, t) => velocity(process, x0, noise, t),
    trainingTarget: (x0, noise, t) => trainingTarget(process, x0, noise, t, predictionType),
    predictedSample: (output, x, t) => predictedSample(process, output, x, t, predictionType),
    predictedNoise: (output, x, t) => predictedNoise(process, output, x, t, predictionType),
    snr: (t) => snr(process, t),
    ...methods,
  };
}
