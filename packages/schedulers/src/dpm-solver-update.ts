import { ArgumentError } from '@sd/core';
import { type Combination, NOISE, sum } from './combination';
import { halfLogSnr, type NoiseLevel } from './noise-level';

// Lu et al. 2022, "DPM-Solver" and "DPM-Solver++". With a, s the signal and noise of x, lambda = log(a / s),
// h = lambda_t - lambda_s and the derivatives D0, D1, D2 of the prediction in lambda, times 1, h and h^2:
//   dpmsolver++    x_t = s_t/s_s x_s - a_t (e^-h - 1) D0 + a_t ((e^-h - 1)/h + 1) D1 - a_t ((e^-h - 1 + h)/h^2 - 1/2) D2
//   dpmsolver      x_t = a_t/a_s x_s - s_t (e^h - 1) D0 - s_t ((e^h - 1)/h - 1) D1 - s_t ((e^h - 1 - h)/h^2 - 1/2) D2
// of the predicted x_0 and of the predicted eps. The SDEs have 2 h in place of h in the first (with the noise that the
// exact solution has, and e^-h more damping), and twice the coefficients in the second.
// For D2 of sde-dpmsolver++ diffusers has - 1/2 for + 1/2 after the fraction, which costs an order; we follow the integral.
// `midpoint` approximates the coefficient of D1 by half that of D0, which is as exact and was published first.

export type DPMSolverAlgorithm = (typeof DPM_SOLVER_ALGORITHMS)[number];

export const DPM_SOLVER_ALGORITHMS = ['dpmsolver', 'dpmsolver++', 'sde-dpmsolver', 'sde-dpmsolver++'] as const;

export type DPMSolverType = (typeof DPM_SOLVER_TYPES)[number];

export const DPM_SOLVER_TYPES = ['midpoint', 'heun'] as const;

export type DPMSolverUpdate = {
  readonly algorithm: DPMSolverAlgorithm;
  readonly from: NoiseLevel;
  readonly to: NoiseLevel;
  /** x at `from`. */
  readonly x: Combination;
  readonly D0: Combination;
  readonly D1?: Combination;
  readonly D2?: Combination;
  /** Whether D1's coefficient is the approximate one. */
  readonly midpoint?: boolean;
};

/** x at `to`. */
export function dpmSolverUpdate({
  algorithm,
  from,
  to,
  x,
  D0,
  D1,
  D2,
  midpoint = false,
}: DPMSolverUpdate): Combination {
  const h = halfLogSnr(to) - halfLogSnr(from);
  const c = coefficientsOf[algorithm](from, to, h);
  return sum(
    [c.x, x],
    [c.D0, D0],
    ...(D1 === undefined ? [] : [[midpoint ? c.D0 / 2 : c.D1, D1] as const]),
    ...(D2 === undefined ? [] : [[c.D2, D2] as const]),
    [c.noise, NOISE],
  );
}

type Coefficients = { readonly [name in 'x' | 'D0' | 'D1' | 'D2' | 'noise']: number };

const coefficientsOf: Record<DPMSolverAlgorithm, (from: NoiseLevel, to: NoiseLevel, h: number) => Coefficients> = {
  'dpmsolver++': (from, to, h) => ({
    x: to.noise / from.noise,
    D0: -to.signal * Math.expm1(-h),
    D1: to.signal * (Math.expm1(-h) / h + 1),
    D2: -to.signal * ((Math.expm1(-h) + h) / h ** 2 - 0.5),
    noise: 0,
  }),
  dpmsolver: (from, to, h) => ({
    x: to.signal / from.signal,
    D0: -to.noise * Math.expm1(h),
    D1: -to.noise * (Math.expm1(h) / h - 1),
    D2: -to.noise * ((Math.expm1(h) - h) / h ** 2 - 0.5),
    noise: 0,
  }),
  'sde-dpmsolver++': (from, to, h) => ({
    x: (to.noise / from.noise) * Math.exp(-h),
    D0: -to.signal * Math.expm1(-2 * h),
    D1: to.signal * (Math.expm1(-2 * h) / (2 * h) + 1),
    D2: -to.signal * ((Math.expm1(-2 * h) + 2 * h) / (2 * h) ** 2 - 0.5),
    noise: to.noise * Math.sqrt(-Math.expm1(-2 * h)),
  }),
  'sde-dpmsolver': (from, to, h) => ({
    x: to.signal / from.signal,
    D0: -2 * to.noise * Math.expm1(h),
    D1: -2 * to.noise * (Math.expm1(h) / h - 1),
    D2: -2 * to.noise * ((Math.expm1(h) - h) / h ** 2 - 0.5),
    noise: to.noise * Math.sqrt(Math.expm1(2 * h)),
  }),
};

export function isStochastic(algorithm: DPMSolverAlgorithm): boolean {
  return algorithm.startsWith('sde');
}

/** The ++ solvers take the model's x_0, the others its eps. */
export function predictsData(algorithm: DPMSolverAlgorithm): boolean {
  return algorithm.endsWith('++');
}

/** @throws {ArgumentError} where a run of a solver that divides by sigma would end without noise. */
export function checkEnd(operation: string, algorithm: DPMSolverAlgorithm, points: readonly NoiseLevel[]): void {
  if (!predictsData(algorithm) && points[points.length - 1].noise === 0) {
    throw new ArgumentError(operation, 'sigmas', `above 0 for ${algorithm}, which divides by sigma`, 0);
  }
}
