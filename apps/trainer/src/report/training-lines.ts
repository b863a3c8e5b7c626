import type { TrainingLine } from './charts/training-chart';
import { formatSignificant } from './format';
import { MODEL_LINES, partLine } from './line-style';
import type { ModelReport } from './report-data';

/** The diffusion loss of each model that was trained in this run. */
export function lossLines(models: readonly ModelReport[]): TrainingLine[] {
  return models
    .filter(({ training }) => training.live && training.loss.length > 0)
    .map(({ name, label, training }) => ({
      label,
      style: { ...MODEL_LINES[name], symbol: 'none' },
      points: training.loss.map(({ step, loss }) => ({ step, value: loss })),
    }));
}

/** The other terms that a distilled model's loss has. */
export function partLines(models: readonly ModelReport[]): TrainingLine[] {
  return models.flatMap(({ name, label, training }) =>
    Object.entries(training.parts)
      .filter(([, points]) => points.length > 0)
      .map(([part, points], i) => ({ label: `${label}: ${part}`, style: partLine(name, i), points })),
  );
}

/** `0.812 at step 1, 0.345 at the end`, the mean of the last tenth where there is noise; empty where nothing was logged. */
export function summary({ points, isExact = false }: TrainingLine): string {
  if (points.length === 0) return '';
  const tail = points.slice(isExact ? -1 : -Math.max(1, Math.round(points.length / 10)));
  const mean = tail.reduce((sum, { value }) => sum + value, 0) / tail.length;
  const [first] = points;
  return `${formatSignificant(first.value)} at step ${first.step}, ${formatSignificant(mean)} at the end`;
}
