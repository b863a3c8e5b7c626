import type { ResultTable } from '../../reproduction-result';
import { confidenceInterval } from '../../statistics';
import { DIGITS, type MeasuredStudent, type StudentRun, signed, signedInterval } from './measured-student';

/** What one part of the method changes: the second student less the first. */
export type EffectOf = {
  readonly label: string;
  /** Names. */
  readonly from: string;
  readonly to: string;
  /** In the paper, of FID. */
  readonly published?: number;
};

/** Differences of the seeds that have both students. */
export type Effect = EffectOf & {
  /** Of the Fréchet distance, at every measurement. */
  readonly at: readonly (readonly number[])[];
  readonly predictionError: readonly number[];
};

export function measuredEffect(
  effect: EffectOf,
  students: readonly MeasuredStudent[],
  milestones: readonly number[],
): Effect {
  const of = (name: string) => students.find(({ variant }) => variant.name === name)?.runs ?? [];
  const differences = (measure: (run: StudentRun) => number | undefined) =>
    of(effect.to).flatMap((run) => {
      const other = of(effect.from).find(({ seed }) => seed === run.seed);
      const [value, reference] = [measure(run), other && measure(other)];
      return value === undefined || reference === undefined ? [] : [value - reference];
    });
  return {
    ...effect,
    at: milestones.map((at) => differences((run) => run.at.get(at)?.frechet)),
    predictionError: differences((run) => run.predictionError),
  };
}

export function effectsTable(title: string, effects: readonly Effect[], milestones: readonly number[]): ResultTable {
  return {
    title,
    note: 'Fréchet distance of the student with the part less that of the one without it, of the same seed: mean and 95 % interval. Below 0 the part helps. Last the same of the error of the prediction.',
    columns: ['part', 'paper, FID', ...milestones.map((at) => `after ${at} steps`), 'error of the prediction'],
    rows: effects.map(({ label, published, at, predictionError }) => [
      label,
      published === undefined ? null : signed(published, 1),
      ...at.map((values) => signedMean(values, DIGITS.frechet)),
      signedMean(predictionError, DIGITS.predictionError),
    ]),
  };
}

/** In a sentence, at the last measurement. */
export function effectFinding({ label, published, at }: Effect, milestones: readonly number[]): string {
  const last = milestones[milestones.length - 1];
  const values = at[milestones.length - 1];
  if (values.length === 0) return `${label}: not measured.`;
  const interval = confidenceInterval(values);
  const sure = !Number.isFinite(interval.low)
    ? 'one seed says nothing of chance'
    : interval.high < 0 || interval.low > 0
      ? 'the interval excludes 0'
      : 'the interval includes 0';
  const helps = interval.mean < 0 ? 'helps' : 'does not help';
  const known = milestones.flatMap((steps, i) =>
    at[i].length > 0 ? [{ steps, helped: confidenceInterval(at[i]).mean < 0 }] : [],
  );
  const since = known.find((_, i) => known.slice(i).every(({ helped }) => helped === interval.mean < 0))?.steps;
  const settles = since === undefined || since === last ? '' : `, of this sign from ${since} steps on`;
  const paper = published === undefined ? '' : `; in the paper ${signed(published, 1)} of FID`;
  return `${label} ${helps} after ${last} steps: ${signedInterval(interval, DIGITS.frechet)} (${sure})${settles}${paper}.`;
}

function signedMean(values: readonly number[], digits: number): string | null {
  return values.length > 0 ? signedInterval(confidenceInterval(values), digits) : null;
}
