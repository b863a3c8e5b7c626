import { confidenceInterval, formatInterval, type Interval } from '../../statistics';
import type { Measured } from './ablation-student';
import type { AblationVariant } from './ablation-variants';

/** What has been measured of a student. */
export type MeasuredStudent = {
  readonly variant: AblationVariant;
  readonly parameters: number;
  readonly runs: readonly StudentRun[];
};

export type StudentRun = {
  readonly seed: number;
  /** By steps. */
  readonly at: ReadonlyMap<number, Measured>;
  /** See `AblationSeed.predictionError`. */
  readonly predictionError: number | undefined;
};

export type Metric = 'frechet' | 'high' | 'low';
export const DIGITS: Readonly<Record<Metric | 'predictionError', number>> = {
  frechet: 2,
  high: 3,
  low: 3,
  predictionError: 4,
};

/** Over seeds; none where nothing is measured. */
export function over({ runs }: MeasuredStudent, at: number, metric: Metric): Interval | undefined {
  return interval(runs.flatMap((one) => one.at.get(at)?.[metric] ?? []));
}

/** Of the prediction, over seeds; none where no log is at hand. */
export function predictionErrorOver({ runs }: MeasuredStudent): Interval | undefined {
  return interval(runs.flatMap(({ predictionError }) => predictionError ?? []));
}

function interval(values: readonly number[]): Interval | undefined {
  return values.length > 0 ? confidenceInterval(values) : undefined;
}

export function written(of: Interval | undefined, digits: number): string | null {
  return of ? formatInterval(of, digits) : null;
}

/** `+1.2`, `−0.4` */
export const signed = (value: number, digits: number) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(digits)}`;

export function signedInterval({ mean, high }: Interval, digits: number): string {
  const half = high - mean;
  return signed(mean, digits) + (Number.isFinite(half) ? ` ± ${half.toFixed(digits)}` : '');
}
