import { type Combination, memory, sum, X } from './combination';
import { kDiffusion } from './k-diffusion-grid';
import { derivative, kDiffusionCall } from './k-diffusion-step';
import type { KDPM2Config } from './kdpm2';
import { lagrangeIntegrals } from './lagrange';
import { defineScheduler, type Scheduler } from './scheduler';
import { betaFields, predictionFields, scheduleOf, spacingFields } from './scheduler-config';
import { sigmaFields, sigmaRuleOf } from './sigma-config';

// The linear multistep method of Adams and Bashforth in sigma: the polynomial through the last derivatives, integrated.
//   x_{i+1} = x_i + sum_k d_{i-k} int_{sigma_i}^{sigma_{i+1}} l_k(s) ds,   l_k(sigma_{i-j}) = (j == k)

const ORDER = 4; // diffusers' and k-diffusion's default

export type LMSConfig = KDPM2Config;

export const LMS = defineScheduler<LMSConfig>({
  className: 'LMSDiscreteScheduler',
  fields: { ...betaFields, ...predictionFields, ...spacingFields('linspace'), ...sigmaFields },
  algorithm(config, refuse) {
    const schedule = scheduleOf(config);
    const { predictionType } = config;
    const options = { ...config, name: 'LMSDiscreteScheduler', schedule, sigmaRule: sigmaRuleOf(config, refuse) };
    const { sampler, levelAt } = kDiffusion(options, (operation, { timesteps, sigmas }, start) =>
      timesteps.slice(start).map((t, steps) => {
        const index = start + steps;
        const [sigma, nextSigma] = sigmas.slice(index);
        const order = Math.min(steps + 1, ORDER);
        const nodes = Array.from({ length: order }, (_, k) => sigmas[index - k]);
        const weights = lagrangeIntegrals(nodes, sigma, nextSigma);
        const derivatives = [derivative(sigma), ...Array.from({ length: order - 1 }, (_, k) => memory(k))];
        const terms = derivatives.map((d, k): [number, Combination] => [weights[k], d]);
        return {
          ...kDiffusionCall(operation, { t, sigma, nextSigma, predictionType }),
          x: sum([1, X], ...terms),
          memory: nextSigma === 0 ? [] : derivatives.slice(0, ORDER - 1),
        };
      }),
    );
    return { schedule, predictionType, sampler, levelAt };
  },
});

/**
 * The linear multistep method of order 4, as diffusers has it after k-diffusion.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function lmsScheduler(config: Partial<LMSConfig> = {}): Scheduler {
  return LMS.create('lmsScheduler', config);
}
