import { ArgumentError, checkInteger } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { choiceField, type Fields, integerField, numberField } from './config-fields';
import { checkBatch, combine, velocity } from './forward-process';
import { alphaCumprodOf, varianceExploding } from './noise-level';
import type { NoiseSchedule } from './noise-schedule';
import type { PredictionMap, PredictionType } from './prediction';
import { checkStart, refuseEta } from './run-options';
import type { PlannedStep, Sampler } from './sampler';
import type { Algorithm } from './scheduler';
import { exponentialSigmas, karrasSigmas } from './sigma-spacing';
import { checkedSigmas } from './sigma-table';

// Karras et al. 2022, the preconditioned model F of x = x_0 + sigma eps (table 1, "Ours"), with d = sigma_data:
//   D(x; sigma) = c_skip x + c_out F(c_in x; c_noise)
//   c_skip = d^2 / (sigma^2 + d^2)   c_out = sigma d / sqrt(sigma^2 + d^2)   c_in = 1 / sqrt(sigma^2 + d^2)   c_noise = log(sigma) / 4
// c_noise is the timestep of these schedulers. With `v_prediction` diffusers has -c_out.

export type EDMConfig = {
  readonly sigmaMin: number;
  readonly sigmaMax: number;
  /** The standard deviation of the data. */
  readonly sigmaData: number;
  readonly sigmaSchedule: 'karras' | 'exponential';
  readonly numTrainTimesteps: number;
  readonly predictionType: PredictionType;
  /** Of `karrasSigmas`. */
  readonly rho: number;
  readonly finalSigmasType: 'zero' | 'sigma_min';
};

const isPositive = (value: number) => value > 0 && Number.isFinite(value);

export const edmFields: Fields<EDMConfig> = {
  sigmaMin: numberField(0.002, 'a positive number', isPositive),
  sigmaMax: numberField(80, 'a positive number', isPositive),
  sigmaData: numberField(0.5, 'a positive number', isPositive),
  sigmaSchedule: choiceField('karras', ['karras', 'exponential'] as const),
  numTrainTimesteps: integerField(1000, 1),
  predictionType: choiceField<PredictionType>('epsilon', ['epsilon', 'v_prediction']),
  rho: numberField(7, 'a positive number', isPositive),
  finalSigmasType: choiceField('zero', ['zero', 'sigma_min'] as const),
};

/** S sigmas and the end. */
type EDMGrid = readonly number[];

export type EDM = {
  readonly call: (
    operation: string,
    call: { readonly sigma: number; readonly nextSigma: number },
  ) => Pick<PlannedStep, 't' | 'inputScale' | 'level' | 'nextLevel' | 'toSample'>;
  readonly algorithm: (
    name: string,
    plan: (operation: string, sigmas: EDMGrid, start: number) => readonly PlannedStep[],
  ) => Algorithm;
};

/** What the EDM samplers have in common. */
export function edm(config: EDMConfig): EDM {
  const { sigmaData: d, predictionType, numTrainTimesteps, finalSigmasType, sigmaMax } = config;
  const toSample = (sigma: number): PredictionMap => {
    const output = (sigma * d) / Math.hypot(sigma, d);
    return { x: d ** 2 / (sigma ** 2 + d ** 2), output: predictionType === 'v_prediction' ? -output : output };
  };
  const end = (last: number) => (finalSigmasType === 'zero' ? 0 : last);
  const gridOf = (operation: string, steps: number): EDMGrid => {
    checkInteger(operation, 'steps', steps);
    const sigmas = edmSigmas(config, steps);
    return [...sigmas, end(sigmas[steps - 1])];
  };
  const levelAt = (t: number, operation: string) => {
    if (!Number.isFinite(t)) throw new ArgumentError(operation, 't', 'a finite number, log(sigma) / 4', t);
    return varianceExploding(Math.exp(4 * t));
  };
  return {
    call: (_, { sigma, nextSigma }) => ({
      t: Math.log(sigma) / 4,
      inputScale: 1 / Math.hypot(sigma, d),
      level: varianceExploding(sigma),
      nextLevel: varianceExploding(nextSigma),
      toSample: toSample(sigma),
    }),
    algorithm(name, plan) {
      const sampler: Sampler = {
        timesteps: (steps) => plan(`${name}.timesteps`, gridOf(`${name}.timesteps`, steps), 0).map(({ t }) => t),
        initNoiseSigma: () => Math.hypot(sigmaMax, 1),
        plan(operation, { steps, timesteps, sigmas, eta, start }) {
          refuseEta(operation, name, eta);
          const given = timesteps?.map((t) => Math.exp(4 * t)) ?? sigmas;
          const grid = given === null ? gridOf(operation, steps) : customGrid(operation, given, end);
          checkStart(operation, start, grid.length - 1);
          return plan(operation, grid, start);
        },
      };
      const schedule = edmSchedule(edmSigmas(config, numTrainTimesteps));
      return { schedule, predictionType, sampler, levelAt, methods: edmMethods(schedule, levelAt, toSample) };
    },
  };
}

function customGrid(operation: string, given: readonly number[], end: (last: number) => number): EDMGrid {
  const sigmas = checkedSigmas(operation, given);
  return [...sigmas, given.length > sigmas.length ? 0 : end(sigmas[sigmas.length - 1])];
}

function edmSigmas({ sigmaMin: minimum, sigmaMax: maximum, sigmaSchedule, rho }: EDMConfig, steps: number): number[] {
  const range = { steps, maximum, minimum };
  return sigmaSchedule === 'karras' ? karrasSigmas({ ...range, rho }) : exponentialSigmas(range);
}

/** The DDPM with the same ratios of signal to noise, from the least noise to the most. */
function edmSchedule(sigmas: readonly number[]): NoiseSchedule {
  const rising = [...sigmas].reverse();
  const alphasCumprod = Float64Array.from(rising, (sigma) => alphaCumprodOf(varianceExploding(sigma)));
  const betas = alphasCumprod.map((alphaCumprod, t) => 1 - alphaCumprod / (t === 0 ? 1 : alphasCumprod[t - 1]));
  return { trainTimesteps: rising.length, betas, alphasCumprod };
}

function edmMethods(
  { alphasCumprod }: NoiseSchedule,
  levelAt: (t: number, operation: string) => { readonly noise: number },
  toSample: (sigma: number) => PredictionMap,
): Algorithm['methods'] {
  const process = {
    alphasCumprod,
    levelAt: (t: number, operation = 'levelAt') => varianceExploding(levelAt(t, operation).noise),
  };
  const maps = (operation: string, t: readonly number[], map: (sigma: number, of: PredictionMap) => PredictionMap) =>
    t.map((step) => {
      const sigma = levelAt(step, operation).noise;
      return map(sigma, toSample(sigma));
    });
  const mapped = <X extends Tensor>(
    operation: string,
    names: readonly [string, string],
    [first, second]: readonly [X, X],
    t: readonly number[],
    map: (sigma: number, of: PredictionMap) => PredictionMap,
  ): X => {
    checkBatch(operation, names[0], first, names[1], second, t, process);
    return tf.tidy(() => combine(second, first, maps(operation, t, map)));
  };
  const predicted = ['output', 'x'] as const;
  return {
    velocity: (x0, noise, t) => velocity(process, x0, noise, t),
    // F = (x_0 - c_skip (x_0 + sigma eps)) / c_out
    trainingTarget: (x0, noise, t) =>
      mapped('trainingTarget', ['x0', 'noise'], [x0, noise], t, (sigma, { x, output }) => ({
        x: (-x * sigma) / output,
        output: (1 - x) / output,
      })),
    predictedSample: (output, x, t) => mapped('predictedSample', predicted, [output, x], t, (_, map) => map),
    predictedNoise: (output, x, t) =>
      mapped('predictedNoise', predicted, [output, x], t, (sigma, map) => ({
        x: (1 - map.x) / sigma,
        output: -map.output / sigma,
      })),
  };
}
