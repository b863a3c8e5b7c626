import { type Combination, memory, NOISE, SAMPLE, sum, X } from './combination';
import { ancestralSplit } from './euler-ancestral';
import { type Grid, kDiffusion } from './k-diffusion-grid';
import { derivative, kDiffusionCall } from './k-diffusion-step';
import type { KDPM2Config } from './kdpm2';
import type { PlannedStep } from './sampler';
import { defineScheduler, type Scheduler } from './scheduler';
import { predictionFields, scheduleOf, spacingFields, stableDiffusionBetaFields } from './scheduler-config';
import { sigmaFields, sigmaRuleOf } from './sigma-config';
import { sigmaTable, timestepOfSigma } from './sigma-table';

// k-diffusion's `sample_dpmpp_sde`: DPM-Solver++ (2S) with noise, both halves of a step to a sigma_down with noise of
// sigma_up after it, as in Euler ancestral:
//   x_m     = (sigma_down_m / sigma_i) x_i + (1 - sigma_down_m / sigma_i) x_0(x_i) + sigma_up_m z_1      sigma_m: the geometric mean
//   x_{i+1} = (sigma_down / sigma_i) x_i + (1 - sigma_down / sigma_i) x_0(x_m) + sigma_up z
// The noise is a Brownian motion in sigma, so that z has z_1 in it.

/** One half: from sigma to the sigma `to`, with the x_0 and noise given. */
function half(sigma: number, to: number, x: Combination, sample: Combination, noise: Combination): Combination {
  const { up, down } = ancestralSplit(sigma, to);
  return sum([down / sigma, x], [1 - down / sigma, sample], [up, noise]);
}

export type DPMSolverSDEConfig = KDPM2Config;

export const DPMSolverSDE = defineScheduler<DPMSolverSDEConfig>({
  className: 'DPMSolverSDEScheduler',
  fields: { ...stableDiffusionBetaFields, ...predictionFields, ...spacingFields('linspace'), ...sigmaFields },
  algorithm(config, refuse) {
    const schedule = scheduleOf(config);
    const { predictionType } = config;
    const options = { ...config, name: 'DPMSolverSDEScheduler', schedule, sigmaRule: sigmaRuleOf(config, refuse) };
    const table = sigmaTable(schedule.alphasCumprod);
    const stepAt = (operation: string, { timesteps, sigmas }: Grid, index: number): PlannedStep[] => {
      const t = timesteps[index];
      const [sigma, nextSigma] = sigmas.slice(index);
      const middle = Math.sqrt(sigma * nextSigma);
      const first = kDiffusionCall(operation, { t, sigma, nextSigma: middle, predictionType });
      if (nextSigma === 0) return [{ ...first, x: sum([1, X], [-sigma, derivative(sigma)]) }];
      const tMiddle = timestepOfSigma(table, middle);
      const second = kDiffusionCall(operation, { t: tMiddle, sigma: middle, nextSigma, predictionType });
      // W(sigma) - W(nextSigma) is the sum of the increments to the middle and from there, scaled to variance 1.
      const before = Math.sqrt((sigma - middle) / (sigma - nextSigma));
      const after = Math.sqrt((middle - nextSigma) / (sigma - nextSigma));
      const noise = sum([before, memory(1)], [after, NOISE]);
      return [
        { ...first, drawsNoise: true, x: half(sigma, middle, X, SAMPLE, NOISE), memory: [X, NOISE] },
        { ...second, drawsNoise: true, x: half(sigma, nextSigma, memory(0), SAMPLE, noise) },
      ];
    };
    const { sampler, levelAt } = kDiffusion(options, (operation, grid, start) =>
      grid.timesteps.slice(start).flatMap((_, index) => stepAt(operation, grid, start + index)),
    );
    return { schedule, predictionType, sampler, levelAt };
  },
});

/**
 * DPM-Solver++ for the SDE, as diffusers has it after k-diffusion: two calls of the model and two draws a step, one call
 * and none in the last.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function dpmSolverSdeScheduler(config: Partial<DPMSolverSDEConfig> = {}): Scheduler {
  return DPMSolverSDE.create('dpmSolverSdeScheduler', config);
}
