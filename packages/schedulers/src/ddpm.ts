import { ArgumentError } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Clipping } from './clip-sample';
import { choiceField } from './config-fields';
import { checkedFirstOrderStep, type FirstOrderStep, plannedFirstOrderStep } from './first-order-step';
import { checkTimestep } from './forward-process';
import { levelOfAlphaCumprod } from './noise-level';
import type { NoiseSchedule } from './noise-schedule';
import { type PredictionType, predictionMap } from './prediction';
import { checkStart, refuseEta, refuseSigmas } from './run-options';
import type { Sampler } from './sampler';
import { defineScheduler, type Scheduler } from './scheduler';
import { clippingOf, type SchedulerConfig, scheduleOf, schedulerFields } from './scheduler-config';
import { checkTimesteps, spacedTimesteps } from './timestep-spacing';

// Ho et al. 2020, "Denoising diffusion probabilistic models", for a step from t to prev, with alpha = abar_t / abar_prev
// and beta = 1 - alpha in place of those of neighbouring timesteps:
//   x_prev = sqrt(abar_prev) beta / (1 - abar_t) x_0 + sqrt(alpha) (1 - abar_prev) / (1 - abar_t) x_t + sigma z       (7)

/**
 * sigma^2 of a step:
 * - `fixed_small`: (1 - abar_prev) / (1 - abar_t) beta, the variance of x_prev given x_t and x_0
 * - `fixed_small_log`: the same; diffusers clips it as a logarithm
 * - `fixed_large`: beta
 */
export type VarianceType = (typeof VARIANCE_TYPES)[number];

export const VARIANCE_TYPES = ['fixed_small', 'fixed_small_log', 'fixed_large'] as const;

const MINIMUM_VARIANCE = 1e-20; // diffusers'

export type DDPMStepOptions<X extends Tensor = Tensor> = {
  /** x_t, of the output's shape. Borrowed. */
  readonly x: X;
  /** The timestep of x, in [0, T). */
  readonly t: number;
  /** The timestep to go to, below t; below 0 is x_0. Left out: t - 1. */
  readonly tPrev?: number;
  readonly schedule: NoiseSchedule;
  readonly predictionType?: PredictionType;
  readonly varianceType?: VarianceType;
  /** z, of the output's shape, needed where t > 0. Borrowed. */
  readonly noise?: X;
  readonly clipping?: Clipping | null;
};

/**
 * One ancestral step of DDPM from x_t to x_tPrev. The step from t = 0 adds no noise.
 * @param output the model's output at x_t. Borrowed. @returns x_tPrev, of its shape. Owned by the caller.
 * @throws {ShapeError} on shapes that disagree. @throws {ArgumentError} on timesteps or clipping out of range, an
 * unknown variance type, a missing noise, and epsilon prediction where abar_t = 0.
 */
export function ddpmStep<X extends Tensor>(output: X, options: DDPMStepOptions<X>): X {
  const { x, t, schedule, noise } = options;
  checkTimestep('ddpmStep', t, schedule);
  return checkedFirstOrderStep('ddpmStep', t, ddpmCoefficients('ddpmStep', options), output, x, noise);
}

/** The coefficients of a step of DDPM; see `ddpmStep`. */
export function ddpmCoefficients(operation: string, options: Omit<DDPMStepOptions, 'x' | 'noise'>): FirstOrderStep {
  const {
    t,
    tPrev = t - 1,
    schedule,
    predictionType = 'epsilon',
    varianceType = 'fixed_small',
    clipping = null,
  } = options;
  if (!(Number.isInteger(tPrev) && tPrev < t))
    throw new ArgumentError(operation, 'tPrev', `an integer below ${t}`, tPrev);
  if (!VARIANCE_TYPES.includes(varianceType)) {
    throw new ArgumentError(operation, 'varianceType', `one of ${VARIANCE_TYPES.join(', ')}`, varianceType);
  }
  const alphaCumprod = schedule.alphasCumprod[t];
  const previous = tPrev < 0 ? 1 : schedule.alphasCumprod[tPrev];
  predictionMap(operation, predictionType, 'sample', levelOfAlphaCumprod(alphaCumprod)); // throws where x_0 is not determined
  const alpha = alphaCumprod / previous;
  const beta = 1 - alpha;
  const posteriorVariance = ((1 - previous) / (1 - alphaCumprod)) * beta;
  const variance = varianceType === 'fixed_large' ? beta : Math.max(posteriorVariance, MINIMUM_VARIANCE);
  return {
    predictionType,
    alphaCumprod,
    nextAlphaCumprod: previous,
    clipping,
    fromSample: (Math.sqrt(previous) * beta) / (1 - alphaCumprod),
    fromX: (Math.sqrt(alpha) * (1 - previous)) / (1 - alphaCumprod),
    fromNoise: 0,
    deviation: t > 0 ? Math.sqrt(variance) : 0,
  };
}

export type DDPMConfig = SchedulerConfig & { readonly varianceType: VarianceType };

export const DDPM = defineScheduler<DDPMConfig>({
  className: 'DDPMScheduler',
  fields: { ...schedulerFields, varianceType: choiceField('fixed_small', VARIANCE_TYPES) },
  algorithm(config) {
    const schedule = scheduleOf(config);
    const { timestepSpacing: spacing, stepsOffset, predictionType, varianceType } = config;
    const { trainTimesteps } = schedule;
    const clipping = clippingOf(config);
    const spaced = (operation: string, steps: number) =>
      spacedTimesteps(operation, { steps, trainTimesteps, spacing, stepsOffset });
    const sampler: Sampler = {
      timesteps: (steps) => spaced('DDPMScheduler.timesteps', steps),
      initNoiseSigma: () => 1,
      plan(operation, { steps, timesteps, sigmas, eta, start }) {
        refuseEta(operation, 'DDPM', eta);
        refuseSigmas(operation, 'DDPM', sigmas);
        if (timesteps !== null) checkTimesteps(operation, timesteps, trainTimesteps);
        const visited = timesteps ?? spaced(operation, steps);
        checkStart(operation, start, visited.length);
        return visited.slice(start).map((t, index) => {
          const tPrev = visited[start + index + 1] ?? -1;
          const options = { t, tPrev, schedule, predictionType, varianceType, clipping };
          return plannedFirstOrderStep(operation, t, ddpmCoefficients(operation, options));
        });
      },
    };
    return { schedule, predictionType, sampler };
  },
});

/**
 * DDPM's ancestral sampler as diffusers has it. Configured by default as there: images, not latents (`clipSample`).
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function ddpmScheduler(config: Partial<DDPMConfig> = {}): Scheduler {
  return DDPM.create('ddpmScheduler', config);
}
