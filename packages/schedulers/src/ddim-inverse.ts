import { ArgumentError } from '@sd/core';
import { booleanField } from './config-fields';
import { type FirstOrderStep, plannedFirstOrderStep } from './first-order-step';
import { checkStart, refuseEta, refuseSigmas } from './run-options';
import type { Sampler } from './sampler';
import { defineScheduler, type Scheduler } from './scheduler';
import {
  type BetaConfig,
  betaFields,
  type ClipConfig,
  clipFields,
  clippingOf,
  type PredictionConfig,
  predictionFields,
  type SpacingConfig,
  scheduleOf,
  spacingFields,
  type ZeroSnrConfig,
  zeroSnrFields,
} from './scheduler-config';
import { spacedTimesteps } from './timestep-spacing';

// Song et al. 2021, DDIM without noise, run from image to noise (Mokady et al. 2023, "Null-text inversion", equation 2):
//   x_t = sqrt(abar_t) x_0(x_prev) + sqrt(1 - abar_t) eps(x_prev, t),   x_prev at t - T/S
// The model is asked at x_prev what it would say at x_t, so that sampling afterwards gives the image but for that.

export type DDIMInverseConfig = BetaConfig &
  ZeroSnrConfig &
  PredictionConfig &
  SpacingConfig &
  ClipConfig & {
    /** Does a run begin at abar = 1, the image itself, or at abar_0? */
    readonly setAlphaToOne: boolean;
  };

export const DDIMInverse = defineScheduler<DDIMInverseConfig>({
  className: 'DDIMInverseScheduler',
  fields: {
    ...betaFields,
    ...zeroSnrFields,
    ...predictionFields,
    ...spacingFields('leading', ['leading', 'trailing']),
    ...clipFields(true),
    setAlphaToOne: booleanField(true),
  },
  algorithm(config) {
    const schedule = scheduleOf(config);
    const { trainTimesteps, alphasCumprod } = schedule;
    const { predictionType, timestepSpacing: spacing, stepsOffset, setAlphaToOne } = config;
    const clipping = clippingOf(config);
    const own = (operation: string, steps: number) =>
      spacedTimesteps(operation, { steps, trainTimesteps, spacing, stepsOffset }).reverse();
    const sampler: Sampler = {
      timesteps: (steps) => own('DDIMInverseScheduler.timesteps', steps),
      initNoiseSigma: () => 1,
      plan(operation, { steps, timesteps, sigmas, eta, start }) {
        refuseEta(operation, 'the inversion of DDIM', eta);
        refuseSigmas(operation, 'the inversion of DDIM', sigmas);
        if (timesteps !== null) checkRisingTimesteps(operation, timesteps, trainTimesteps);
        const visited = timesteps ?? own(operation, steps);
        checkStart(operation, start, visited.length);
        const stride = Math.floor(trainTimesteps / steps);
        const before = (index: number) => (timesteps === null ? visited[index] - stride : (visited[index - 1] ?? -1));
        return visited.slice(start).map((t, index) => {
          const from = before(start + index);
          const step: FirstOrderStep = {
            predictionType,
            alphaCumprod: from >= 0 ? alphasCumprod[from] : setAlphaToOne ? 1 : alphasCumprod[0],
            nextAlphaCumprod: alphasCumprod[t],
            clipping,
            fromSample: Math.sqrt(alphasCumprod[t]),
            fromX: 0,
            fromNoise: Math.sqrt(1 - alphasCumprod[t]),
            deviation: 0,
          };
          return plannedFirstOrderStep(operation, t, step);
        });
      },
    };
    return { schedule, predictionType, sampler };
  },
});

function checkRisingTimesteps(operation: string, timesteps: readonly number[], trainTimesteps: number): void {
  const valid = timesteps.every(
    (t, i) => Number.isInteger(t) && t >= 0 && t < trainTimesteps && (i === 0 || t > timesteps[i - 1]),
  );
  if (!valid || timesteps.length === 0) {
    const expected = `strictly increasing integers in [0, ${trainTimesteps - 1}], at least one`;
    throw new ArgumentError(operation, 'timesteps', expected, timesteps);
  }
}

/**
 * DDIM from image to noise, as diffusers has it: `sample` takes the image, and gives the noise from which DDIM makes it.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function ddimInverseScheduler(config: Partial<DDIMInverseConfig> = {}): Scheduler {
  return DDIMInverse.create('ddimInverseScheduler', config);
}
