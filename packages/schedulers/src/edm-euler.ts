import { sum, X } from './combination';
import { type EDMConfig, edm, edmFields } from './edm';
import { derivative } from './k-diffusion-step';
import { defineScheduler, type Scheduler } from './scheduler';

// Karras et al. 2022, algorithm 1 without its correction:  x_{i+1} = x_i + (sigma_{i+1} - sigma_i) (x_i - D(x_i)) / sigma_i

export type EDMEulerConfig = EDMConfig;

export const EDMEuler = defineScheduler<EDMEulerConfig>({
  className: 'EDMEulerScheduler',
  fields: edmFields,
  algorithm(config) {
    const process = edm(config);
    return process.algorithm('EDMEulerScheduler', (operation, sigmas, start) =>
      sigmas.slice(start, -1).map((sigma, index) => {
        const nextSigma = sigmas[start + index + 1];
        return {
          ...process.call(operation, { sigma, nextSigma }),
          clipping: null,
          drawsNoise: false,
          x: sum([1, X], [nextSigma - sigma, derivative(sigma)]),
        };
      }),
    );
  },
});

/**
 * Euler's method for models trained as in EDM, whose timestep is log(sigma) / 4.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function edmEulerScheduler(config: Partial<EDMEulerConfig> = {}): Scheduler {
  return EDMEuler.create('edmEulerScheduler', config);
}
