import { memory, sum, X } from './combination';
import { type Grid, kDiffusion } from './k-diffusion-grid';
import { derivative, kDiffusionCall } from './k-diffusion-step';
import type { PlannedStep } from './sampler';
import { defineScheduler, type Scheduler } from './scheduler';
import {
  type BetaConfig,
  type ClipConfig,
  clipFields,
  clippingOf,
  type PredictionConfig,
  predictionFields,
  type SpacingConfig,
  scheduleOf,
  spacingFields,
  stableDiffusionBetaFields,
} from './scheduler-config';
import { type SigmaConfig, sigmaFields, sigmaRuleOf } from './sigma-config';

// Karras et al. 2022, algorithm 1, with sigma(t) = t:
//   d_i     = (x_i - x_0(x_i)) / sigma_i
//   x'      = x_i + (sigma_{i+1} - sigma_i) d_i
//   d'      = (x' - x_0(x')) / sigma_{i+1}                     unless sigma_{i+1} = 0
//   x_{i+1} = x_i + (sigma_{i+1} - sigma_i) (d_i + d') / 2

export type HeunConfig = BetaConfig & PredictionConfig & SpacingConfig & SigmaConfig & ClipConfig;

export const Heun = defineScheduler<HeunConfig>({
  className: 'HeunDiscreteScheduler',
  fields: {
    ...stableDiffusionBetaFields,
    ...predictionFields,
    ...spacingFields('linspace'),
    ...sigmaFields,
    ...clipFields(false),
  },
  algorithm(config, refuse) {
    const schedule = scheduleOf(config);
    const { predictionType } = config;
    const clipping = clippingOf(config);
    const options = {
      ...config,
      name: 'HeunDiscreteScheduler',
      schedule,
      sigmaRule: sigmaRuleOf(config, refuse),
    };
    const stepAt = (operation: string, { timesteps, sigmas }: Grid, index: number): PlannedStep[] => {
      const [t, tNext] = timesteps.slice(index);
      const [sigma, nextSigma] = sigmas.slice(index);
      const h = nextSigma - sigma;
      const d = derivative(sigma);
      const call = { predictionType, clipping, nextSigma };
      const first = kDiffusionCall(operation, { ...call, t, sigma });
      if (nextSigma === 0) return [{ ...first, x: sum([1, X], [h, d]) }];
      const second = kDiffusionCall(operation, { ...call, t: tNext, sigma: nextSigma });
      // The memory holds x_i + h d_i / 2, which is all of the first half that the second needs.
      return [
        { ...first, x: sum([1, X], [h, d]), memory: [sum([1, X], [h / 2, d])] },
        { ...second, x: sum([1, memory(0)], [h / 2, derivative(nextSigma)]) },
      ];
    };
    const { sampler, levelAt } = kDiffusion(options, (operation, grid, start) =>
      grid.timesteps.slice(start).flatMap((_, index) => stepAt(operation, grid, start + index)),
    );
    return { schedule, predictionType, sampler, levelAt };
  },
});

/**
 * Heun's method of second order, as diffusers has it after k-diffusion: two calls of the model a step, one in the last.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function heunScheduler(config: Partial<HeunConfig> = {}): Scheduler {
  return Heun.create('heunScheduler', config);
}
