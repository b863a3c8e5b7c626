import { ArgumentError } from '@sd/core';
import { NOISE, sum, X } from './combination';
import { booleanField, type Fields, integerField, numberField } from './config-fields';
import { ddimCoefficients } from './ddim';
import { plannedFirstOrderStep } from './first-order-step';
import { levelOfAlphaCumprod } from './noise-level';
import { checkStart, refuseSigmas } from './run-options';
import type { PlannedStep, Sampler } from './sampler';
import { defineScheduler, type Scheduler } from './scheduler';
import { type BetaConfig, betaFields, scheduleOf } from './scheduler-config';
import { spacedTimesteps } from './timestep-spacing';

// Lugmayr et al. 2022, "RePaint: inpainting using denoising diffusion probabilistic models", algorithm 1: steps of DDIM
// (eta = 1: DDPM) whose known part is replaced by the noisy image (`inpaint` of `sample`), and jumps back, so that what is
// made and what is known come to agree:
//   x_{t+j} = sqrt(abar_{t+j} / abar_t) x_t + sqrt(1 - abar_{t+j} / abar_t) z
// Every `jumpLength` steps the run jumps back as many, until it has been there `jumpNSample` times.

export type RePaintConfig = BetaConfig & {
  /** How much noise the steps add: 0 none, 1 as much as DDPM. */
  readonly eta: number;
  /** Clips the predicted x_0 to [-1, 1]: for images, not for latents. */
  readonly clipSample: boolean;
  /** j. A field of ours; diffusers takes it with the steps. */
  readonly jumpLength: number;
  /** How often every piece of j steps is run. A field of ours; diffusers takes it with the steps. */
  readonly jumpNSample: number;
};

const fields: Fields<RePaintConfig> = {
  ...betaFields,
  eta: numberField(0, 'a number in [0, 1]', (value) => value >= 0 && value <= 1),
  clipSample: booleanField(true),
  jumpLength: integerField(10, 1),
  jumpNSample: integerField(10, 1),
};

/** Step numbers, from S - 1 down to 0, with the jumps back: one step up at a time, as diffusers lists them. */
function jumpingSteps(steps: number, length: number, samples: number): number[] {
  const left = new Map<number, number>();
  for (let j = 0; j < steps - length; j += length) left.set(j, samples - 1);
  const visited: number[] = [];
  let step = steps;
  while (step >= 1) {
    visited.push(--step);
    const jumps = left.get(step) ?? 0;
    if (jumps === 0) continue;
    left.set(step, jumps - 1);
    for (let up = 0; up < length; up++) visited.push(++step);
  }
  return visited;
}

export const RePaint = defineScheduler<RePaintConfig>({
  className: 'RePaintScheduler',
  fields,
  algorithm(config) {
    const schedule = scheduleOf(config);
    const { trainTimesteps, alphasCumprod } = schedule;
    const { clipSample, jumpLength, jumpNSample } = config;
    const clipping = clipSample ? { range: 1 } : null;
    const alphaAt = (t: number) => (t < 0 ? 1 : alphasCumprod[t]);
    const planFor = (operation: string, steps: number, eta: number, start: number): PlannedStep[] => {
      const spaced = spacedTimesteps(operation, { steps, trainTimesteps, spacing: 'leading' });
      checkStart(operation, start, spaced.length);
      const stride = Math.floor(trainTimesteps / steps);
      const numbers = jumpingSteps(steps - start, jumpLength, jumpNSample);
      return numbers.map((step, index) => {
        const t = step * stride;
        if (index === 0 || step < numbers[index - 1]) {
          const options = { t, tPrev: t - stride, schedule, eta: t > 0 ? eta : 0, clipping };
          const step = plannedFirstOrderStep(operation, t, ddimCoefficients(operation, options));
          return { ...step, drawsNoise: true, redrawsKnown: true };
        }
        // x is where the step down has left it, a stride below the timestep of that step.
        const [from, to] = [alphaAt(t - 2 * stride), alphaAt(t - stride)];
        return {
          t: t - stride,
          level: levelOfAlphaCumprod(from),
          nextLevel: levelOfAlphaCumprod(to),
          toSample: { x: 1 / Math.sqrt(from), output: 0 },
          clipping: null,
          drawsNoise: true,
          x: sum([Math.sqrt(to / from), X], [Math.sqrt(1 - to / from), NOISE]),
          skipsModel: true,
        };
      });
    };
    const sampler: Sampler = {
      timesteps: (steps) => planFor('RePaintScheduler.timesteps', steps, config.eta, 0).map(({ t }) => t),
      initNoiseSigma: () => 1,
      plan(operation, { steps, timesteps, sigmas, eta = config.eta, start }) {
        refuseSigmas(operation, 'RePaint', sigmas);
        if (timesteps !== null) {
          throw new ArgumentError(operation, 'timesteps', 'left out, as RePaint jumps between its own', timesteps);
        }
        return planFor(operation, steps, eta, start);
      },
    };
    return { schedule, predictionType: 'epsilon', sampler };
  },
});

/**
 * RePaint, after diffusers: inpainting with steps back. Give `sample` what is known as `inpaint`.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function repaintScheduler(config: Partial<RePaintConfig> = {}): Scheduler {
  return RePaint.create('repaintScheduler', config);
}
