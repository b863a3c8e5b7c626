import { checkRange } from '@sd/core';
import { NOISE, OUTPUT, SAMPLE, sum, X } from './combination';
import type { Fields } from './config-fields';
import { consistencyTimesteps, originalStepsField } from './consistency-timesteps';
import { levelOfAlphaCumprod } from './noise-level';
import { predictionMap } from './prediction';
import { checkStart, refuseSigmas } from './run-options';
import type { PlannedStep, Sampler } from './sampler';
import { defineScheduler, type Scheduler } from './scheduler';
import {
  type BetaConfig,
  type PredictionConfig,
  predictionFields,
  scheduleOf,
  stableDiffusionBetaFields,
  type ZeroSnrConfig,
  zeroSnrFields,
} from './scheduler-config';
import { checkTimesteps } from './timestep-spacing';

// Zheng et al. 2024, "Trajectory consistency distillation", strategic stochastic sampling: to s = (1 - eta) t_prev, which
// is cleaner than t_prev, by DDIM, and back to t_prev with noise.
//   x_s    = sqrt(abar_s) x_0 + sqrt(1 - abar_s) eps
//   x_prev = sqrt(abar_prev / abar_s) x_s + sqrt(1 - abar_prev / abar_s) z          but x_s itself at the end, where t_prev = 0

export type TCDConfig = BetaConfig &
  ZeroSnrConfig &
  PredictionConfig & {
    /** How many steps the model was distilled on; a run takes some of them. */
    readonly originalInferenceSteps: number;
  };

const fields: Fields<TCDConfig> = {
  ...stableDiffusionBetaFields,
  betaSchedule: { ...stableDiffusionBetaFields.betaSchedule, fallback: 'scaled_linear' },
  ...zeroSnrFields,
  ...predictionFields,
  originalInferenceSteps: originalStepsField,
};

export const TCD = defineScheduler<TCDConfig>({
  className: 'TCDScheduler',
  fields,
  algorithm(config, refuse) {
    const schedule = scheduleOf(config);
    const { trainTimesteps, alphasCumprod } = schedule;
    const { predictionType, originalInferenceSteps: originalSteps } = config;
    if (originalSteps > trainTimesteps)
      refuse('originalInferenceSteps', `at most ${trainTimesteps}, the training steps`);
    const own = (operation: string, steps: number) =>
      consistencyTimesteps(operation, { steps, trainTimesteps, originalSteps });
    const sampler: Sampler = {
      timesteps: (steps) => own('TCDScheduler.timesteps', steps),
      initNoiseSigma: () => 1,
      plan(operation, { steps, timesteps, sigmas, eta = 0.3, start }) {
        refuseSigmas(operation, 'TCD', sigmas);
        checkRange(operation, 'eta', eta, 0, 1);
        if (timesteps !== null) checkTimesteps(operation, timesteps, trainTimesteps);
        const visited = timesteps ?? own(operation, steps);
        checkStart(operation, start, visited.length);
        return visited.slice(start).map((t, index): PlannedStep => {
          const next = visited[start + index + 1];
          const s = Math.floor((1 - eta) * (next ?? 0));
          const level = levelOfAlphaCumprod(alphasCumprod[t]);
          const atS = levelOfAlphaCumprod(alphasCumprod[s]);
          const drawsNoise = eta > 0 && next !== undefined;
          const ratio = drawsNoise ? alphasCumprod[next] / alphasCumprod[s] : 1;
          const toNoise = predictionMap(operation, predictionType, 'epsilon', level);
          const eps = sum([toNoise.x, X], [toNoise.output, OUTPUT]);
          const xs = sum([atS.signal, SAMPLE], [atS.noise, eps]);
          return {
            t,
            level,
            nextLevel: levelOfAlphaCumprod(alphasCumprod[next ?? 0]),
            toSample: predictionMap(operation, predictionType, 'sample', level),
            clipping: null,
            drawsNoise,
            x: sum([Math.sqrt(ratio), xs], [Math.sqrt(1 - ratio), NOISE]),
          };
        });
      },
    };
    return { schedule, predictionType, sampler };
  },
});

/**
 * The sampler of trajectory consistency distillation, as diffusers has it: few steps, and `eta`, 0.3 by default, for how
 * much of the noise is new.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function tcdScheduler(config: Partial<TCDConfig> = {}): Scheduler {
  return TCD.create('tcdScheduler', config);
}
