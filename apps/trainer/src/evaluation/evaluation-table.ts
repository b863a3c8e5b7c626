import { formatError, formatMacs, formatParameters, formatRate, formatSignificant, MISSING } from '../report/format';
import type { Evaluation } from './evaluation';

type Row = {
  readonly title: string;
  readonly value: (evaluation: Evaluation) => number | undefined;
  readonly format: (value: number) => string;
  readonly better?: 'lower' | 'higher';
};

const ROWS: readonly Row[] = [
  { title: 'FID', value: ({ metrics }) => metrics.fid, format: formatSignificant, better: 'lower' },
  {
    title: 'Frechet distance, SqueezeNet',
    value: ({ metrics }) => metrics.frechetSqueezeNet,
    format: formatSignificant,
    better: 'lower',
  },
  { title: 'KID x 1000', value: ({ metrics }) => 1000 * metrics.kid.mean, format: formatSignificant, better: 'lower' },
  { title: 'precision', value: ({ metrics }) => metrics.precision, format: formatError, better: 'higher' },
  { title: 'recall', value: ({ metrics }) => metrics.recall, format: formatError, better: 'higher' },
  {
    title: 'low-frequency error',
    value: ({ metrics }) => metrics.lowFrequencyError,
    format: formatError,
    better: 'lower',
  },
  {
    title: 'high-frequency error',
    value: ({ metrics }) => metrics.highFrequencyError,
    format: formatError,
    better: 'lower',
  },
  { title: 'parameters', value: ({ model }) => model?.parameters, format: formatParameters },
  { title: 'MACs a step', value: ({ model }) => model?.macs, format: formatMacs },
  { title: 'steps/s', value: ({ throughput }) => throughput?.stepsPerSecond, format: formatRate },
];

const FACTS: readonly (readonly [title: string, fact: (evaluation: Evaluation) => string | undefined])[] = [
  ['images', ({ generated }) => generated.count.toLocaleString('en')],
  ['against', ({ reference }) => reference.count.toLocaleString('en')],
  ['pixels', ({ generated }) => String(generated.size)],
  ['features', ({ features }) => features.network],
  ['sampling', ({ sampling }) => sampling && `${sampling.sampler ?? 'own'}, ${sampling.steps} steps`],
  ['batch of steps/s', ({ throughput }) => throughput && String(throughput.batchSize)],
];

/** Evaluations side by side, as text: rows that none has are left out, and the better of two values has a star. */
export function evaluationTable(evaluations: readonly Evaluation[]): string {
  const facts = FACTS.map(([title, fact]) => [title, ...evaluations.map((one) => fact(one) ?? MISSING)]);
  const numbers = ROWS.map(({ title, value, format, better }) => {
    const values = evaluations.map(value);
    const best = comparable(evaluations) ? bestOf(values, better) : undefined;
    const cells = values.map((one) =>
      one === undefined ? `${MISSING}  ` : `${format(one)}${one === best ? ' *' : '  '}`,
    );
    return [title, ...cells];
  });
  const rows = [...facts, ...numbers].filter(([, ...cells]) => cells.some((cell) => cell.trim() !== MISSING));
  return aligned([['', ...evaluations.map(({ name }) => name)], ...rows]);
}

/** Why evaluations cannot be held against each other, one reason a line; none where they can. */
export function mismatches(evaluations: readonly Evaluation[]): string[] {
  const differ = (what: string, of: (evaluation: Evaluation) => unknown) =>
    new Set(evaluations.map((one) => JSON.stringify(of(one)))).size > 1
      ? [`${what} differ: ${evaluations.map((one) => String(of(one))).join(', ')}`]
      : [];
  return [
    ...differ('feature networks', ({ features }) => features.network),
    ...differ('weights of the feature network', ({ features }) => features.sha256.slice(0, 12)),
    ...differ('reference images', ({ reference }) => reference.pixels.slice(0, 12)),
    ...differ('numbers of images', ({ generated }) => generated.count),
    ...differ('sizes', ({ generated }) => generated.size),
  ];
}

function comparable(evaluations: readonly Evaluation[]): boolean {
  return evaluations.length > 1 && mismatches(evaluations).length === 0;
}

function bestOf(values: readonly (number | undefined)[], better: Row['better']): number | undefined {
  const known = values.filter((value) => value !== undefined);
  if (better === undefined || known.length < 2 || new Set(known).size === 1) return undefined;
  return better === 'lower' ? Math.min(...known) : Math.max(...known);
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
