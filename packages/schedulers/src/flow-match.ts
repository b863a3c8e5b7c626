import { ArgumentError, checkInteger } from '@sd/core';
import * as tf from '@tensorflow/tfjs-core';
import { type Combination, OUTPUT } from './combination';
import { checkBatch } from './forward-process';
import { alphaCumprodOf, straightLine } from './noise-level';
import type { NoiseSchedule } from './noise-schedule';
import { predictionMap } from './prediction';
import { checkStart, refuseEta } from './run-options';
import type { PlannedStep, Sampler } from './sampler';
import type { Algorithm } from './scheduler';
import { checkedSigmas } from './sigma-table';
import { shiftSigma } from './solver-grid';

// Flow matching: x = (1 - sigma) x_0 + sigma eps, a model of dx / dsigma = eps - x_0, and t = T sigma as its timestep.

export type FlowMatchOptions = {
  readonly name: string;
  readonly trainTimesteps: number;
  readonly shift: number;
  /** Makes the S sigmas of a run of equal steps between the two given. */
  readonly sigmasOf: (steps: number, maximum: number, minimum: number) => readonly number[];
  /** What is made of sigmas and timesteps that the caller gives. */
  readonly shiftCustom: (sigmas: readonly number[]) => readonly number[];
};

/** dx / dsigma, in the equations of its samplers. */
export const FLOW: Combination = OUTPUT;

/** The algorithm that makes its plans on S sigmas and the end, 0. */
export function flowMatch(
  { name, trainTimesteps, shift, sigmasOf, shiftCustom }: FlowMatchOptions,
  plan: (operation: string, sigmas: readonly number[], start: number) => readonly PlannedStep[],
): Algorithm {
  // diffusers shifts the table of training sigmas, and what lies between its ends once more: so the ends are.
  const training = Array.from({ length: trainTimesteps }, (_, t) => shiftSigma((t + 1) / trainTimesteps, shift));
  const gridOf = (operation: string, steps: number): readonly number[] => {
    checkInteger(operation, 'steps', steps);
    if (steps > trainTimesteps) {
      throw new ArgumentError(operation, 'steps', `at most ${trainTimesteps}, the number of training steps`, steps);
    }
    return [...sigmasOf(steps, training[trainTimesteps - 1], training[0]), 0];
  };
  const custom = (operation: string, given: readonly number[]): readonly number[] => {
    const sigmas = checkedSigmas(operation, given);
    if (sigmas[0] > 1) throw new ArgumentError(operation, 'sigmas', 'at most 1 for flow matching', given);
    return [...shiftCustom(sigmas), 0];
  };
  const levelAt = (t: number, operation: string) => {
    if (!(t >= 0 && t <= trainTimesteps)) {
      throw new ArgumentError(operation, 't', `a number in [0, ${trainTimesteps}]`, t);
    }
    return straightLine(t / trainTimesteps);
  };
  const sampler: Sampler = {
    timesteps: (steps) => plan(`${name}.timesteps`, gridOf(`${name}.timesteps`, steps), 0).map(({ t }) => t),
    initNoiseSigma: () => 1,
    plan(operation, { steps, timesteps, sigmas, eta, start }) {
      refuseEta(operation, name, eta);
      const given = timesteps?.map((t) => t / trainTimesteps) ?? sigmas;
      const grid = given === null ? gridOf(operation, steps) : custom(operation, given);
      checkStart(operation, start, grid.length - 1);
      return plan(operation, grid, start);
    },
  };
  const schedule = flowSchedule(training);
  return {
    schedule,
    predictionType: 'flow_prediction',
    sampler,
    levelAt,
    methods: {
      velocity(x0, noise, t) {
        const process = { alphasCumprod: schedule.alphasCumprod, levelAt: (at: number) => levelAt(at, 'velocity') };
        checkBatch('velocity', 'x0', x0, 'noise', noise, t, process);
        return tf.sub(noise, x0);
      },
    },
  };
}

/** What a call of the model at sigma has in common, whichever sampler makes it. */
export function flowMatchCall(
  operation: string,
  trainTimesteps: number,
  { sigma, nextSigma }: { readonly sigma: number; readonly nextSigma: number },
): Omit<PlannedStep, 'x'> {
  const level = straightLine(sigma);
  return {
    t: sigma * trainTimesteps,
    level,
    nextLevel: straightLine(nextSigma),
    toSample: predictionMap(operation, 'flow_prediction', 'sample', level),
    clipping: null,
    drawsNoise: false,
  };
}

/** The DDPM with the same ratios of signal to noise. */
function flowSchedule(sigmas: readonly number[]): NoiseSchedule {
  const alphasCumprod = Float64Array.from(sigmas, (sigma) => alphaCumprodOf(straightLine(sigma)));
  const betas = alphasCumprod.map((alphaCumprod, t) => 1 - alphaCumprod / (t === 0 ? 1 : alphasCumprod[t - 1]));
  return { trainTimesteps: sigmas.length, betas, alphasCumprod };
}
