import { ArgumentError, checkRange } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Clipping } from './clip-sample';
import { booleanField } from './config-fields';
import { checkedFirstOrderStep, type FirstOrderStep, plannedFirstOrderStep } from './first-order-step';
import { checkTimestep } from './forward-process';
import { levelOfAlphaCumprod } from './noise-level';
import type { NoiseSchedule } from './noise-schedule';
import { type PredictionType, predictionMap } from './prediction';
import { checkStart, refuseSigmas } from './run-options';
import type { Sampler } from './sampler';
import { defineScheduler, type Scheduler } from './scheduler';
import { clippingOf, type SchedulerConfig, scheduleOf, schedulerFields } from './scheduler-config';
import { checkTimesteps, spacedTimesteps } from './timestep-spacing';

// Song et al. 2021, "Denoising diffusion implicit models", with abar for the paper's alpha:
//   x_prev = sqrt(abar_prev) x_0 + sqrt(1 - abar_prev - sigma^2) eps + sigma z                     (12)
//   sigma  = eta sqrt((1 - abar_prev) / (1 - abar_t)) sqrt(1 - abar_t / abar_prev)                  (16)

export type DDIMStepOptions<X extends Tensor = Tensor> = {
  /** x_t, of the output's shape. Borrowed. */
  readonly x: X;
  /** The timestep of x, in [0, T). */
  readonly t: number;
  /** The timestep to go to, below t; below 0 is beyond the first one, where abar is `finalAlphaCumprod`. */
  readonly tPrev: number;
  readonly schedule: NoiseSchedule;
  readonly predictionType?: PredictionType;
  /** 0 adds no noise, 1 adds as much as ancestral sampling. In [0, 1]. */
  readonly eta?: number;
  /** z, of the output's shape, needed where eta > 0. Borrowed. */
  readonly noise?: X;
  readonly clipping?: Clipping | null;
  /** abar before the first training step: 1, or with LDM's rule abar_0. */
  readonly finalAlphaCumprod?: number;
  /** Derives eps from the clipped x_0 again, as GLIDE does, so that the two agree. Without clipping it changes nothing. */
  readonly useClippedOutput?: boolean;
};

/**
 * One step of DDIM from x_t to x_tPrev.
 * @param output the model's output at x_t. Borrowed. @returns x_tPrev, of its shape. Owned by the caller.
 * @throws {ShapeError} on shapes that disagree. @throws {ArgumentError} on timesteps, eta or clipping out of range, a
 * missing noise, and epsilon prediction where abar_t = 0.
 */
export function ddimStep<X extends Tensor>(output: X, options: DDIMStepOptions<X>): X {
  const { x, t, schedule, noise } = options;
  checkTimestep('ddimStep', t, schedule);
  return checkedFirstOrderStep('ddimStep', t, ddimCoefficients('ddimStep', options), output, x, noise);
}

/** The coefficients of a step of DDIM; see `ddimStep`. */
export function ddimCoefficients(operation: string, options: Omit<DDIMStepOptions, 'x' | 'noise'>): FirstOrderStep {
  const { t, tPrev, schedule, predictionType = 'epsilon', eta = 0, clipping = null } = options;
  const { finalAlphaCumprod = 1, useClippedOutput = false } = options;
  if (!(Number.isInteger(tPrev) && tPrev < t))
    throw new ArgumentError(operation, 'tPrev', `an integer below ${t}`, tPrev);
  checkRange(operation, 'eta', eta, 0, 1);
  const alphaCumprod = schedule.alphasCumprod[t];
  const previous = tPrev < 0 ? finalAlphaCumprod : schedule.alphasCumprod[tPrev];
  predictionMap(operation, predictionType, 'sample', levelOfAlphaCumprod(alphaCumprod)); // throws where x_0 is not determined
  const variance = ((1 - previous) / (1 - alphaCumprod)) * (1 - alphaCumprod / previous);
  const deviation = eta * Math.sqrt(Math.max(variance, 0)); // with LDM's rule t = 0 would go to abar_0 itself
  const direction = Math.sqrt(Math.max(1 - previous - deviation ** 2, 0));
  const ends = { alphaCumprod, nextAlphaCumprod: previous };
  const step = { predictionType, ...ends, clipping, fromSample: Math.sqrt(previous), fromX: 0, deviation };
  if (!useClippedOutput) return { ...step, fromNoise: direction };
  // eps = (x_t - sqrt(abar_t) x_0) / sqrt(1 - abar_t)
  const fromX = direction / Math.sqrt(1 - alphaCumprod);
  return { ...step, fromSample: step.fromSample - fromX * Math.sqrt(alphaCumprod), fromX, fromNoise: 0 };
}

export type DDIMConfig = SchedulerConfig & {
  /** Does the last step end at abar = 1 (the predicted x_0 itself), or, as in LDM, at abar_0? */
  readonly setAlphaToOne: boolean;
};

export const DDIM = defineScheduler<DDIMConfig>({
  className: 'DDIMScheduler',
  fields: { ...schedulerFields, setAlphaToOne: booleanField(true) },
  algorithm(config) {
    const schedule = scheduleOf(config);
    const { timestepSpacing: spacing, stepsOffset, predictionType, setAlphaToOne } = config;
    const { trainTimesteps, alphasCumprod } = schedule;
    const clipping = clippingOf(config);
    const finalAlphaCumprod = setAlphaToOne ? 1 : alphasCumprod[0];
    const spaced = (operation: string, steps: number) =>
      spacedTimesteps(operation, { steps, trainTimesteps, spacing, stepsOffset });
    const sampler: Sampler = {
      timesteps: (steps) => spaced('DDIMScheduler.timesteps', steps),
      initNoiseSigma: () => 1,
      plan(operation, { steps, timesteps, sigmas, eta = 0, start }) {
        refuseSigmas(operation, 'DDIM', sigmas);
        if (timesteps !== null) checkTimesteps(operation, timesteps, trainTimesteps);
        const visited = timesteps ?? spaced(operation, steps);
        // As in diffusers, a step is T / S wide whatever the spacing, so that it may miss the next timestep by some.
        const stride = Math.floor(trainTimesteps / steps);
        const previous = (index: number) =>
          timesteps === null ? visited[index] - stride : (timesteps[index + 1] ?? -1);
        checkStart(operation, start, visited.length);
        return visited.slice(start).map((t, index) => {
          const tPrev = previous(start + index);
          const options = { t, tPrev, schedule, predictionType, eta, clipping, finalAlphaCumprod };
          return plannedFirstOrderStep(operation, t, ddimCoefficients(operation, options));
        });
      },
    };
    return { schedule, predictionType, sampler };
  },
});

/**
 * DDIM as diffusers has it. Configured by default as there: images, not latents (`clipSample`), `leading` spacing.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function ddimScheduler(config: Partial<DDIMConfig> = {}): Scheduler {
  return DDIM.create('ddimScheduler', config);
}

/**
 * The configuration that is LDM's own DDIM: timesteps range(0, T, floor(T / S)) + 1, ending at abar_0, no clipping.
 * Where S does not divide T it takes more steps than S, and at S = T none fit, as in LDM. Where S < T divides T,
 * `timestepSpacing: 'leading'` gives the same (docs/method.md section 5). The betas are those of LDM's VQ-f4 and ImageNet
 * models; LSUN-Church ends at 0.0155, text-to-image goes from 0.00085 to 0.012.
 */
export function ldmDdimConfig(changes: Partial<DDIMConfig> = {}): Partial<DDIMConfig> {
  return {
    betaSchedule: 'scaled_linear',
    betaStart: 0.0015,
    betaEnd: 0.0195,
    timestepSpacing: 'ldm',
    stepsOffset: 1,
    setAlphaToOne: false,
    clipSample: false,
    ...changes,
  };
}
