import { ArgumentError } from '@sd/core';

/** Of a mean over seeds. */
export type Interval = {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
};

/** Student's t at 97.5 % by degrees of freedom from 1 on; from 30 on the normal's is near enough. */
const STUDENT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045,
];
const NORMAL = 1.96;

/**
 * Mean of values and its 95 % confidence interval by Student's t; of a single value the interval is not known, and both
 * ends are not a number. @throws {ArgumentError} without values.
 */
export function confidenceInterval(values: readonly number[]): Interval {
  const count = values.length;
  if (count === 0) throw new ArgumentError('confidenceInterval', 'values', 'at least one number', values);
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const error = Math.sqrt(squares / (count - 1) / count); // 0 / 0 of a single value
  const half = error * (STUDENT[count - 2] ?? NORMAL);
  return { mean, low: mean - half, high: mean + half, count };
}

/** `0.123 ± 0.045`, the mean alone where there is no interval. @param digits after the point. */
export function formatInterval({ mean, high }: Interval, digits: number): string {
  const half = high - mean;
  return Number.isFinite(half) ? `${mean.toFixed(digits)} ± ${half.toFixed(digits)}` : mean.toFixed(digits);
}
