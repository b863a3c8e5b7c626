import { NOISE, sum, X } from './combination';
import { kDiffusion } from './k-diffusion-grid';
import { derivative, kDiffusionCall } from './k-diffusion-step';
import { defineScheduler, type Scheduler } from './scheduler';
import {
  type BetaConfig,
  betaFields,
  type PredictionConfig,
  predictionFields,
  type SpacingConfig,
  scheduleOf,
  spacingFields,
  type ZeroSnrConfig,
  zeroSnrFields,
} from './scheduler-config';

// Song et al. 2021, "Score-based generative modeling through stochastic differential equations", appendix F: ancestral
// sampling of x_0 + sigma eps, the mean by a step of Euler's method to sigma_down:
//   sigma_up^2   = sigma_{i+1}^2 (sigma_i^2 - sigma_{i+1}^2) / sigma_i^2
//   sigma_down^2 = sigma_{i+1}^2 - sigma_up^2
//   x_{i+1}      = x_i + (sigma_down - sigma_i) (x_i - x_0) / sigma_i + sigma_up z

/** How an ancestral step from sigma to nextSigma splits into a step without noise and noise. */
export function ancestralSplit(sigma: number, nextSigma: number): { readonly up: number; readonly down: number } {
  const up = (nextSigma * Math.sqrt(sigma ** 2 - nextSigma ** 2)) / sigma;
  return { up, down: nextSigma ** 2 / sigma }; // = sqrt(nextSigma^2 - up^2)
}

export type EulerAncestralConfig = BetaConfig & ZeroSnrConfig & PredictionConfig & SpacingConfig;

export const EulerAncestral = defineScheduler<EulerAncestralConfig>({
  className: 'EulerAncestralDiscreteScheduler',
  fields: { ...betaFields, ...zeroSnrFields, ...predictionFields, ...spacingFields('linspace') },
  algorithm(config) {
    const schedule = scheduleOf(config);
    const { predictionType } = config;
    const options = { ...config, name: 'EulerAncestralDiscreteScheduler', schedule, sigmaRule: null };
    const { sampler, levelAt } = kDiffusion(options, (operation, { timesteps, sigmas }, start) =>
      timesteps.slice(start).map((t, index) => {
        const [sigma, nextSigma] = sigmas.slice(start + index);
        const { up, down } = ancestralSplit(sigma, nextSigma);
        return {
          ...kDiffusionCall(operation, { t, sigma, nextSigma, predictionType }),
          drawsNoise: true,
          x: sum([1, X], [down - sigma, derivative(sigma)], [up, NOISE]),
        };
      }),
    );
    return { schedule, predictionType, sampler, levelAt };
  },
});

/**
 * Euler's method with noise, as diffusers has it after k-diffusion; DDPM takes the same steps.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function eulerAncestralScheduler(config: Partial<EulerAncestralConfig> = {}): Scheduler {
  return EulerAncestral.create('eulerAncestralScheduler', config);
}
