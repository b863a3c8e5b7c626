import { NOISE, SAMPLE, sum, X } from './combination';
import {
  booleanField,
  choiceField,
  type Fields,
  integerField,
  numberField,
  optionalNumberField,
} from './config-fields';
import { FLOW, flowMatch, flowMatchCall } from './flow-match';
import { defineScheduler, type Scheduler } from './scheduler';
import { type SigmaConfig, sigmaFields, sigmaRuleOf } from './sigma-config';
import { ramp } from './sigma-spacing';
import { shiftSigma } from './solver-grid';
import { stretchToTerminal } from './unipc';

// Lipman et al. 2023, "Flow matching for generative modeling"; Esser et al. 2024, "Scaling rectified flow transformers":
//   x_{i+1} = x_i + (sigma_{i+1} - sigma_i) u_i
// or, with noise, x_{i+1} = (1 - sigma_{i+1}) x_0 + sigma_{i+1} z.

export type FlowMatchEulerConfig = SigmaConfig & {
  readonly numTrainTimesteps: number;
  /** s: sigma' = s sigma / (1 + (s - 1) sigma) gives more of the run to the noise. */
  readonly shift: number;
  /** Shifts by e^mu in place of `shift` (or by mu, if `timeShiftType` is `linear`); mu comes from the image's size. */
  readonly useDynamicShifting: boolean;
  readonly timeShiftType: 'exponential' | 'linear';
  /** mu for images of `imageTokens` is on the line through (baseImageSeqLen, baseShift) and (maxImageSeqLen, maxShift). */
  readonly baseShift: number;
  readonly maxShift: number;
  readonly baseImageSeqLen: number;
  readonly maxImageSeqLen: number;
  /** The number of tokens of the images, for dynamic shifting; a field of ours. */
  readonly imageTokens: number;
  /** Stretches the sigmas so that the last one is this. */
  readonly shiftTerminal: number | null;
  /** Draws new noise at every step. */
  readonly stochasticSampling: boolean;
};

const isPositive = (value: number) => value > 0;

const fields: Fields<FlowMatchEulerConfig> = {
  numTrainTimesteps: integerField(1000, 1),
  shift: numberField(1, 'a positive number', isPositive),
  useDynamicShifting: booleanField(false),
  timeShiftType: choiceField('exponential', ['exponential', 'linear'] as const),
  baseShift: numberField(0.5, 'a number', Number.isFinite),
  maxShift: numberField(1.15, 'a number', Number.isFinite),
  baseImageSeqLen: integerField(256, 1),
  maxImageSeqLen: integerField(4096, 1),
  imageTokens: integerField(256, 1),
  shiftTerminal: optionalNumberField('a number in (0, 1) or null', (value) => value > 0 && value < 1),
  stochasticSampling: booleanField(false),
  ...sigmaFields,
};

/** The shift of a configuration. */
function shiftOf(config: FlowMatchEulerConfig): number {
  const { useDynamicShifting, timeShiftType, baseShift, maxShift, baseImageSeqLen, maxImageSeqLen } = config;
  if (!useDynamicShifting) return config.shift;
  const slope = (maxShift - baseShift) / (maxImageSeqLen - baseImageSeqLen);
  const mu = baseShift + slope * (config.imageTokens - baseImageSeqLen);
  return timeShiftType === 'exponential' ? Math.exp(mu) : mu;
}

export const FlowMatchEuler = defineScheduler<FlowMatchEulerConfig>({
  className: 'FlowMatchEulerDiscreteScheduler',
  fields,
  algorithm(config, refuse) {
    const { numTrainTimesteps: trainTimesteps, useDynamicShifting, shiftTerminal, stochasticSampling } = config;
    const shift = shiftOf(config);
    if (!(shift > 0)) refuse('baseShift', 'such that the shift is positive');
    const rule = sigmaRuleOf(config, refuse);
    const shiftCustom = (given: readonly number[]): readonly number[] => {
      const shifted = given.map((sigma) => shiftSigma(sigma, shift));
      const sigmas = shiftTerminal === null ? shifted : stretchToTerminal(shifted, shiftTerminal);
      const [maximum, minimum] = [sigmas[0], sigmas[sigmas.length - 1]];
      return rule === null ? sigmas : rule({ steps: sigmas.length, maximum, minimum });
    };
    const options = {
      name: 'FlowMatchEulerDiscreteScheduler',
      trainTimesteps,
      shift: useDynamicShifting ? 1 : shift,
      shiftCustom,
      sigmasOf: (steps: number, maximum: number, minimum: number) =>
        shiftCustom(ramp(steps).map((u) => maximum + u * (minimum - maximum))),
    };
    return flowMatch(options, (operation, sigmas, start) =>
      sigmas.slice(start, -1).map((sigma, index) => {
        const nextSigma = sigmas[start + index + 1];
        return {
          ...flowMatchCall(operation, trainTimesteps, { sigma, nextSigma }),
          drawsNoise: stochasticSampling,
          x: stochasticSampling
            ? sum([1 - nextSigma, SAMPLE], [nextSigma, NOISE])
            : sum([1, X], [nextSigma - sigma, FLOW]),
        };
      }),
    );
  },
});

/**
 * Euler's method for flow matching, as diffusers has it: Stable Diffusion 3 and Flux.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function flowMatchEulerScheduler(config: Partial<FlowMatchEulerConfig> = {}): Scheduler {
  return FlowMatchEuler.create('flowMatchEulerScheduler', config);
}
