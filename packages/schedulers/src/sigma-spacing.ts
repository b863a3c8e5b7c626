import { ArgumentError, checkInteger } from '@sd/core';
import { betaQuantile } from './beta-quantile';

// Which levels of noise a run visits: S ratios sigma from `maximum` down to `minimum`. i = 0..S-1, u = i / (S - 1).

export type SigmaRange = {
  /** S. */
  readonly steps: number;
  /** The first sigma, > minimum. */
  readonly maximum: number;
  /** The last sigma, > 0. */
  readonly minimum: number;
};

/**
 * sigma_i = (max^(1/rho) + u (min^(1/rho) - max^(1/rho)))^rho. Source: Karras et al. 2022, equation (5), rho = 7 there.
 * @throws {ArgumentError} unless 0 < minimum <= maximum, rho > 0 and steps is an integer >= 1.
 */
export function karrasSigmas({ steps, maximum, minimum, rho = 7 }: SigmaRange & { readonly rho?: number }): number[] {
  checkSigmas('karrasSigmas', { steps, maximum, minimum });
  if (!(rho > 0)) throw new ArgumentError('karrasSigmas', 'rho', 'a positive number', rho);
  const [high, low] = [maximum ** (1 / rho), minimum ** (1 / rho)];
  return ramp(steps).map((u) => (high + u * (low - high)) ** rho);
}

/** Equal steps of log(sigma). @throws {ArgumentError} unless 0 < minimum <= maximum and steps is an integer >= 1. */
export function exponentialSigmas({ steps, maximum, minimum }: SigmaRange): number[] {
  checkSigmas('exponentialSigmas', { steps, maximum, minimum });
  const [high, low] = [Math.log(maximum), Math.log(minimum)];
  return ramp(steps).map((u) => Math.exp(high + u * (low - high)));
}

/** Equal steps of lambda = -log(sigma) (Lu et al. 2022, section 5): the same, under the name of its paper. */
export const luSigmas = exponentialSigmas;

/**
 * sigma_i = min + (max - min) q(1 - u), q the quantile function of the beta distribution, which has more steps near both
 * ends. Source: Lee et al. 2024, "Beta sampling is all you need", alpha = beta = 0.6 there and in diffusers.
 * @throws {ArgumentError} unless 0 < minimum <= maximum, alpha and beta are positive and steps is an integer >= 1.
 */
export function betaSigmas({
  steps,
  maximum,
  minimum,
  alpha = 0.6,
  beta = 0.6,
}: SigmaRange & { readonly alpha?: number; readonly beta?: number }): number[] {
  checkSigmas('betaSigmas', { steps, maximum, minimum });
  if (!(alpha > 0)) throw new ArgumentError('betaSigmas', 'alpha', 'a positive number', alpha);
  if (!(beta > 0)) throw new ArgumentError('betaSigmas', 'beta', 'a positive number', beta);
  return ramp(steps).map((u) => minimum + (maximum - minimum) * betaQuantile(1 - u, alpha, beta));
}

/** S equal steps from 0 to 1; where S is 1, as in NumPy, the beginning. */
export function ramp(steps: number): number[] {
  return Array.from({ length: steps }, (_, i) => (steps === 1 ? 0 : i / (steps - 1)));
}

function checkSigmas(operation: string, { steps, maximum, minimum }: SigmaRange): void {
  checkInteger(operation, 'steps', steps);
  if (!(minimum > 0 && Number.isFinite(minimum))) {
    throw new ArgumentError(operation, 'minimum', 'a finite number > 0', minimum);
  }
  if (!(maximum >= minimum && Number.isFinite(maximum))) {
    throw new ArgumentError(operation, 'maximum', `a finite number >= ${minimum}`, maximum);
  }
}
