import { betterStudent } from './better-model';
import {
  formatCount,
  formatError,
  formatMacs,
  formatParameters,
  formatRate,
  formatSeconds,
  formatTimes,
  MISSING,
} from './format';
import type { FrequencyErrors, ModelReport, ReportData } from './report-data';

export type Cell = {
  readonly value: string;
  /** Against the teacher, under the value. */
  readonly gain?: string | null;
  /** Smaller, under the value. */
  readonly note?: string;
  /** Length of a bar from 0 to 1. */
  readonly bar?: number;
  readonly better?: boolean;
};

export type Row = { readonly title: string; readonly note: string; readonly cells: readonly Cell[] };

/** What the comparison table holds: a row a quantity, a cell a model. */
export function comparisonRows({ models, firstStage }: ReportData): Row[] {
  const teacher = models.find(({ name }) => name === 'teacher');
  const row = (title: string, note: string, cell: (model: ModelReport) => Cell): Row => ({
    title,
    note,
    cells: models.map(cell),
  });
  /** Against the teacher; nothing in the teacher's own column. */
  const times = (model: ModelReport, ratio: (teacher: ModelReport) => number, more: string, less: string) =>
    teacher && model !== teacher ? formatTimes(ratio(teacher), more, less) : null;
  return [
    row('Parameters', 'weights and biases', (model) => ({
      value: formatParameters(model.parameters),
      gain: times(model, ({ parameters }) => parameters / model.parameters, 'slimmer', 'larger'),
    })),
    row('MACs', 'multiply-adds of one step, one sample', (model) => ({
      value: formatMacs(model.macs),
      gain: times(model, ({ macs }) => macs / model.macs, 'fewer', 'more'),
    })),
    row('Speed', speedNote(models), (model) => ({
      value: `${formatRate(model.sampling.stepsPerSecond)} steps/s`,
      gain: times(model, ({ sampling }) => model.sampling.stepsPerSecond / sampling.stepsPerSecond, 'faster', 'slower'),
    })),
    errorRow('High-frequency error', 'high', models, firstStage.errors),
    errorRow('Low-frequency error', 'low', models, firstStage.errors),
    row('Training', 'optimizer steps, batch, wall time', ({ training }) =>
      training.live
        ? {
            value: `${formatCount(training.steps)} steps`,
            note: `batch ${formatCount(training.batchSize)}, ${training.seconds === null ? MISSING : formatSeconds(training.seconds)}`,
          }
        : { value: 'shipped', note: 'not trained in this run' },
    ),
    row('Sampling', 'how the pictures below were made', ({ sampling, evaluated }) => ({
      value: `${sampling.sampler}, ${formatCount(sampling.steps)} steps`,
      note: `${formatCount(evaluated)} samples measured`,
    })),
  ];
}

function speedNote(models: readonly ModelReport[]): string {
  const batches = [...new Set(models.map(({ sampling }) => formatCount(sampling.batchSize)))];
  return `denoising, batch ${batches.join(' / ')}, measured alone`;
}

function errorRow(
  title: string,
  band: keyof FrequencyErrors,
  models: readonly ModelReport[],
  firstStage: FrequencyErrors,
): Row {
  const better = betterStudent(models, band);
  const largest = models.reduce(
    (most, { errors }) => Math.max(most, Number.isFinite(errors[band]) ? errors[band] : 0),
    0,
  );
  return {
    title,
    note: `smaller is closer to the data; first stage alone ${formatError(firstStage[band])}`,
    cells: models.map(({ name, errors }) => ({
      value: formatError(errors[band]),
      bar: Number.isFinite(errors[band]) && largest > 0 ? errors[band] / largest : 0,
      better: better === name,
    })),
  };
}
