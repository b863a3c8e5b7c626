import { NOISE, SAMPLE, sum, X } from './combination';
import { booleanField, type Fields, numberField } from './config-fields';
import { consistencyTimesteps, originalStepsField } from './consistency-timesteps';
import { levelOfAlphaCumprod } from './noise-level';
import { predictionMap } from './prediction';
import { checkStart, refuseEta, refuseSigmas } from './run-options';
import type { PlannedStep, Sampler } from './sampler';
import { defineScheduler, type Scheduler } from './scheduler';
import {
  type BetaConfig,
  type ClipConfig,
  clipFields,
  clippingOf,
  type PredictionConfig,
  predictionFields,
  scheduleOf,
  stableDiffusionBetaFields,
  type ThresholdingConfig,
  thresholdingFields,
  type ZeroSnrConfig,
  zeroSnrFields,
} from './scheduler-config';
import { checkTimesteps } from './timestep-spacing';

// Luo et al. 2023, "Latent consistency models", algorithm 3: f maps every x_t to x_0, and is given new noise.
//   f      = c_skip x_t + c_out x_0(x_t),   c_skip = 0.25 / (s^2 + 0.25),   c_out = s / sqrt(s^2 + 0.25),   s = timestepScaling t
//   x_prev = sqrt(abar_prev) f + sqrt(1 - abar_prev) z             but f itself at the end

const SIGMA_DATA = 0.5;

export type LCMConfig = BetaConfig &
  ZeroSnrConfig &
  PredictionConfig &
  ClipConfig &
  ThresholdingConfig & {
    /** How many steps the model was distilled on; a run takes some of them. */
    readonly originalInferenceSteps: number;
    /** Of c_skip and c_out. */
    readonly timestepScaling: number;
    /** Not used: a run ends at f itself. */
    readonly setAlphaToOne: boolean;
  };

const fields: Fields<LCMConfig> = {
  ...stableDiffusionBetaFields,
  betaSchedule: { ...stableDiffusionBetaFields.betaSchedule, fallback: 'scaled_linear' },
  ...zeroSnrFields,
  ...predictionFields,
  ...clipFields(false),
  ...thresholdingFields,
  originalInferenceSteps: originalStepsField,
  timestepScaling: numberField(10, 'a positive number', (value) => value > 0),
  setAlphaToOne: booleanField(true),
};

export const LCM = defineScheduler<LCMConfig>({
  className: 'LCMScheduler',
  fields,
  algorithm(config, refuse) {
    const schedule = scheduleOf(config);
    const { trainTimesteps, alphasCumprod } = schedule;
    const { predictionType, originalInferenceSteps: originalSteps, timestepScaling } = config;
    if (originalSteps > trainTimesteps)
      refuse('originalInferenceSteps', `at most ${trainTimesteps}, the training steps`);
    const clipping = clippingOf(config);
    const own = (operation: string, steps: number) =>
      consistencyTimesteps(operation, { steps, trainTimesteps, originalSteps });
    const sampler: Sampler = {
      timesteps: (steps) => own('LCMScheduler.timesteps', steps),
      initNoiseSigma: () => 1,
      plan(operation, { steps, timesteps, sigmas, eta, start }) {
        refuseEta(operation, 'LCM', eta);
        refuseSigmas(operation, 'LCM', sigmas);
        if (timesteps !== null) checkTimesteps(operation, timesteps, trainTimesteps);
        const visited = timesteps ?? own(operation, steps);
        checkStart(operation, start, visited.length);
        return visited.slice(start).map((t, index): PlannedStep => {
          const next = visited[start + index + 1];
          const level = levelOfAlphaCumprod(alphasCumprod[t]);
          const nextLevel = levelOfAlphaCumprod(next === undefined ? 1 : alphasCumprod[next]);
          const scaled = timestepScaling * t;
          const skip = SIGMA_DATA ** 2 / (scaled ** 2 + SIGMA_DATA ** 2);
          const out = scaled / Math.hypot(scaled, SIGMA_DATA);
          return {
            t,
            level,
            nextLevel,
            toSample: predictionMap(operation, predictionType, 'sample', level),
            clipping,
            drawsNoise: next !== undefined,
            x: sum([nextLevel.signal * skip, X], [nextLevel.signal * out, SAMPLE], [nextLevel.noise, NOISE]),
          };
        });
      },
    };
    return { schedule, predictionType, sampler };
  },
});

/**
 * The sampler of latent consistency models, as diffusers has it: 1 to 8 steps.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function lcmScheduler(config: Partial<LCMConfig> = {}): Scheduler {
  return LCM.create('lcmScheduler', config);
}
