import { memory, NOISE, sum, X } from './combination';
import { ancestralSplit } from './euler-ancestral';
import { type Grid, kDiffusion } from './k-diffusion-grid';
import { derivative, kDiffusionCall } from './k-diffusion-step';
import type { KDPM2Config } from './kdpm2';
import type { PlannedStep } from './sampler';
import { defineScheduler, type Scheduler } from './scheduler';
import { predictionFields, scheduleOf, spacingFields, stableDiffusionBetaFields } from './scheduler-config';
import { sigmaFields, sigmaRuleOf } from './sigma-config';
import { sigmaTable, timestepOfSigma } from './sigma-table';

// The midpoint method of KDPM2 to sigma_down, then noise of sigma_up as in Euler ancestral:
//   sigma_m = sqrt(sigma_i sigma_down)
//   x_m     = x_i + (sigma_m - sigma_i) (x_i - x_0(x_i)) / sigma_i
//   x_{i+1} = x_i + (sigma_down - sigma_i) (x_m - x_0(x_m)) / sigma_m + sigma_up z

export const KDPM2Ancestral = defineScheduler<KDPM2Config>({
  className: 'KDPM2AncestralDiscreteScheduler',
  fields: { ...stableDiffusionBetaFields, ...predictionFields, ...spacingFields('linspace'), ...sigmaFields },
  algorithm(config, refuse) {
    const schedule = scheduleOf(config);
    const { predictionType } = config;
    const options = {
      ...config,
      name: 'KDPM2AncestralDiscreteScheduler',
      schedule,
      sigmaRule: sigmaRuleOf(config, refuse),
      roundsTimesteps: config.useKarrasSigmas,
    };
    const table = sigmaTable(schedule.alphasCumprod);
    const stepAt = (operation: string, { timesteps, sigmas }: Grid, index: number): PlannedStep[] => {
      const t = timesteps[index];
      const [sigma, nextSigma] = sigmas.slice(index);
      const { up, down } = ancestralSplit(sigma, nextSigma);
      const middle = Math.sqrt(sigma * down);
      const first = kDiffusionCall(operation, { t, sigma, nextSigma: middle, predictionType });
      const toMiddle = sum([1, X], [middle - sigma, derivative(sigma)]);
      if (nextSigma === 0) return [{ ...first, x: toMiddle }];
      const tMiddle = timestepOfSigma(table, middle);
      const second = kDiffusionCall(operation, { t: tMiddle, sigma: middle, nextSigma, predictionType });
      return [
        { ...first, x: toMiddle, memory: [X] },
        {
          ...second,
          drawsNoise: true,
          x: sum([1, memory(0)], [down - sigma, derivative(middle)], [up, NOISE]),
        },
      ];
    };
    const { sampler, levelAt } = kDiffusion(options, (operation, grid, start) =>
      grid.timesteps.slice(start).flatMap((_, index) => stepAt(operation, grid, start + index)),
    );
    return { schedule, predictionType, sampler, levelAt };
  },
});

/**
 * KDPM2 with noise, as diffusers has it after k-diffusion (`sample_dpm_2_ancestral`): two calls a step, one in the last.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function kdpm2AncestralScheduler(config: Partial<KDPM2Config> = {}): Scheduler {
  return KDPM2Ancestral.create('kdpm2AncestralScheduler', config);
}
