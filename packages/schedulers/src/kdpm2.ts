import { memory, sum, X } from './combination';
import { type Grid, kDiffusion } from './k-diffusion-grid';
import { derivative, kDiffusionCall } from './k-diffusion-step';
import type { PlannedStep } from './sampler';
import { defineScheduler, type Scheduler } from './scheduler';
import {
  type BetaConfig,
  type PredictionConfig,
  predictionFields,
  type SpacingConfig,
  scheduleOf,
  spacingFields,
  stableDiffusionBetaFields,
} from './scheduler-config';
import { type SigmaConfig, sigmaFields, sigmaRuleOf } from './sigma-config';
import { sigmaTable, timestepOfSigma } from './sigma-table';

// Karras et al. 2022, the midpoint method, with the midpoint in log(sigma) as in DPM-Solver-2 (Lu et al. 2022):
//   sigma_m = sqrt(sigma_i sigma_{i+1})
//   x_m     = x_i + (sigma_m - sigma_i) (x_i - x_0(x_i)) / sigma_i
//   x_{i+1} = x_i + (sigma_{i+1} - sigma_i) (x_m - x_0(x_m)) / sigma_m         a plain step of Euler where sigma_{i+1} = 0

export type KDPM2Config = BetaConfig & PredictionConfig & SpacingConfig & SigmaConfig;

export const KDPM2 = defineScheduler<KDPM2Config>({
  className: 'KDPM2DiscreteScheduler',
  fields: { ...stableDiffusionBetaFields, ...predictionFields, ...spacingFields('linspace'), ...sigmaFields },
  algorithm(config, refuse) {
    const schedule = scheduleOf(config);
    const { predictionType } = config;
    const options = {
      ...config,
      name: 'KDPM2DiscreteScheduler',
      schedule,
      sigmaRule: sigmaRuleOf(config, refuse),
      roundsTimesteps: config.useKarrasSigmas,
    };
    const table = sigmaTable(schedule.alphasCumprod);
    const stepAt = (operation: string, { timesteps, sigmas }: Grid, index: number): PlannedStep[] => {
      const t = timesteps[index];
      const [sigma, nextSigma] = sigmas.slice(index);
      const middle = Math.sqrt(sigma * nextSigma);
      const first = kDiffusionCall(operation, { t, sigma, nextSigma: middle, predictionType });
      const toMiddle = sum([1, X], [middle - sigma, derivative(sigma)]);
      if (nextSigma === 0) return [{ ...first, x: toMiddle }];
      const tMiddle = timestepOfSigma(table, middle);
      const second = kDiffusionCall(operation, { t: tMiddle, sigma: middle, nextSigma, predictionType });
      return [
        { ...first, x: toMiddle, memory: [X] },
        { ...second, x: sum([1, memory(0)], [nextSigma - sigma, derivative(middle)]) },
      ];
    };
    const { sampler, levelAt } = kDiffusion(options, (operation, grid, start) =>
      grid.timesteps.slice(start).flatMap((_, index) => stepAt(operation, grid, start + index)),
    );
    return { schedule, predictionType, sampler, levelAt };
  },
});

/**
 * The midpoint method of second order, as diffusers has it after k-diffusion (`sample_dpm_2`): two calls a step, one in
 * the last.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function kdpm2Scheduler(config: Partial<KDPM2Config> = {}): Scheduler {
  return KDPM2.create('kdpm2Scheduler', config);
}
