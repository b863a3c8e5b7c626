import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { completeConfig, type Fields, snakeCase } from './config-fields';
import { addNoise, predictedNoise, predictedSample, snr, trainingTarget, velocity } from './forward-process';
import type { NoiseSchedule } from './noise-schedule';
import type { PredictionType } from './prediction';
import { type Model, type SampleOptions, sampleLoop } from './sample-loop';
import type { Sampler } from './sampler';
import { type SchedulerConfig, scheduleOf } from './scheduler-config';

/**
 * A forward process with an algorithm that runs it backwards. Stateless: all methods may be called in any order, and
 * runs may overlap. Tensors are borrowed, results owned by the caller.
 */
export type Scheduler = {
  /** diffusers' name of the algorithm. */
  readonly className: string;
  /** The complete configuration as a diffusers scheduler_config.json object; `schedulerFromConfig` takes it. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The tables of the forward process. */
  readonly schedule: NoiseSchedule;
  /** abar_t, t = 0..T-1. */
  readonly alphasCumprod: Float64Array;
  readonly predictionType: PredictionType;
  /** The timesteps of the model calls of a run, in order. @throws {ArgumentError} on counts that it cannot take. */
  timesteps(steps: number): readonly number[];
  /** The standard deviation that the noise must have from which `sample` starts. */
  initNoiseSigma(steps: number): number;
  /** Denoises. @param x noise times `initNoiseSigma(steps)`, borrowed. See `SampleOptions` and `Model`. */
  sample<X extends Tensor = Tensor4D>(model: Model<X>, x: X, options: SampleOptions<X>): Promise<X>;
  /** x_t of `[N, ...]` images and N timesteps. */
  addNoise<X extends Tensor>(x0: X, noise: X, t: readonly number[]): X;
  /** sqrt(abar_t) eps - sqrt(1 - abar_t) x_0. */
  velocity<X extends Tensor>(x0: X, noise: X, t: readonly number[]): X;
  /** What the model is trained to give, by the prediction type. */
  trainingTarget<X extends Tensor>(x0: X, noise: X, t: readonly number[]): X;
  /** The x_0 that the model's output at x_t stands for. Unclipped. */
  predictedSample<X extends Tensor>(output: X, x: X, t: readonly number[]): X;
  /** The eps that the model's output at x_t stands for. */
  predictedNoise<X extends Tensor>(output: X, x: X, t: readonly number[]): X;
  /** abar_t / (1 - abar_t), for `minSnrWeight` and `p2Weight`. */
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

export type SchedulerDefinition<C extends SchedulerConfig> = {
  readonly className: string;
  readonly fields: Fields<C>;
  readonly sampler: (config: C, schedule: NoiseSchedule) => Sampler;
};

/** Makes a class of an algorithm: what a sampler's file calls. */
export function defineScheduler<C extends SchedulerConfig>(definition: SchedulerDefinition<C>): SchedulerClass {
  const { className, fields } = definition;
  return {
    className,
    fieldNames: Object.keys(fields),
    create(operation, given, spell = (name) => name) {
      const betas = given[spell('trainedBetas')];
      const count = Array.isArray(betas) ? { [spell('numTrainTimesteps')]: betas.length } : {};
      const config = completeConfig<C>(operation, fields, { ...count, ...given }, spell);
      const schedule = scheduleOf(config);
      const { predictionType } = config;
      const sampler = definition.sampler(config, schedule);
      const entries = Object.entries(config).map(([name, value]) => [snakeCase(name), value]);
      return {
        className,
        config: Object.freeze({ _class_name: className, ...Object.fromEntries(entries) }),
        schedule,
        alphasCumprod: schedule.alphasCumprod,
        predictionType,
        timesteps: (steps) => sampler.timesteps(steps),
        initNoiseSigma: (steps) => sampler.initNoiseSigma(steps),
        sample: (model, x, options) => sampleLoop(`${className}.sample`, sampler, model, x, options),
        addNoise: (x0, noise, t) => addNoise(schedule, x0, noise, t),
        velocity: (x0, noise, t) => velocity(schedule, x0, noise, t),
        trainingTarget: (x0, noise, t) => trainingTarget(schedule, x0, noise, t, predictionType),
        predictedSample: (output, x, t) => predictedSample(schedule, output, x, t, predictionType),
        predictedNoise: (output, x, t) => predictedNoise(schedule, output, x, t, predictionType),
        snr: (t) => snr(schedule, t),
      };
    },
  };
}
