import { ArgumentError } from '@sd/core';

// diffusers gives abar this value where zero-terminal-SNR rescaling makes it 0, since sigma would be infinite.
const SMALLEST_ALPHA_CUMPROD = 2 ** -24;

/** sigma_t = sqrt((1 - abar_t) / abar_t), t = 0..T-1. */
export function sigmaTable(alphasCumprod: Float64Array): Float64Array {
  return alphasCumprod.map((given) => {
    const alphaCumprod = given === 0 ? SMALLEST_ALPHA_CUMPROD : given;
    return Math.sqrt((1 - alphaCumprod) / alphaCumprod);
  });
}

/** sigma at a timestep that may lie between two of the table, linearly. @param t in [0, T - 1]. */
export function sigmaAt(table: Float64Array, t: number): number {
  const low = Math.min(Math.floor(t), table.length - 1);
  const high = Math.min(low + 1, table.length - 1);
  return table[low] + (t - low) * (table[high] - table[low]);
}

/** The timestep of a sigma, between two of the table linearly in log(sigma); at its ends where the table has no such. */
export function timestepOfSigma(table: Float64Array, sigma: number): number {
  if (table.length === 1) return 0;
  let low = 0;
  while (low < table.length - 2 && table[low + 1] <= sigma) low += 1;
  const [below, above] = [Math.log(table[low]), Math.log(table[low + 1])];
  const weight = (below - Math.log(Math.max(sigma, 1e-10))) / (below - above);
  return low + Math.min(Math.max(weight, 0), 1);
}

/** @throws {ArgumentError} unless t is in [0, T - 1]. */
export function checkFractionalTimestep(operation: string, t: number, trainTimesteps: number): void {
  if (!(t >= 0 && t <= trainTimesteps - 1)) {
    throw new ArgumentError(operation, 't', `a number in [0, ${trainTimesteps - 1}]`, t);
  }
}

/** @throws {ArgumentError} unless timesteps are strictly decreasing numbers in [0, T - 1]. */
export function checkFractionalTimesteps(
  operation: string,
  timesteps: readonly number[],
  trainTimesteps: number,
): void {
  const valid = timesteps.every((t, i) => t >= 0 && t <= trainTimesteps - 1 && (i === 0 || t < timesteps[i - 1]));
  if (!valid || timesteps.length === 0) {
    const expected = `strictly decreasing numbers in [0, ${trainTimesteps - 1}], at least one`;
    throw new ArgumentError(operation, 'timesteps', expected, timesteps);
  }
}

/**
 * Custom sigmas, without the 0 that may end them.
 * @throws {ArgumentError} unless they are finite, strictly decreasing and not negative, at least one above 0.
 */
export function checkedSigmas(operation: string, sigmas: readonly number[]): readonly number[] {
  const valid = sigmas.every((sigma, i) => Number.isFinite(sigma) && sigma >= 0 && (i === 0 || sigma < sigmas[i - 1]));
  if (!valid || !(sigmas[0] > 0)) {
    throw new ArgumentError(operation, 'sigmas', 'strictly decreasing numbers >= 0, at least one above 0', sigmas);
  }
  return sigmas.filter((sigma) => sigma > 0);
}
