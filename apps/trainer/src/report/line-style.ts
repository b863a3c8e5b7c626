import type { GateCurve, ModelReport } from './report-data';

/** How a line looks: told apart by dashes and markers too, never by color alone. */
export type LineStyle = {
  /** A CSS color; a variable follows the reader's light or dark scheme. */
  readonly color: string;
  /** Lengths of dashes and gaps in pixels; solid where empty. */
  readonly dash: readonly number[];
  readonly symbol: 'none' | 'circle' | 'rect' | 'triangle' | 'diamond';
  readonly width: number;
};

export const DATA_LINE: LineStyle = { color: 'var(--data)', dash: [], symbol: 'none', width: 2.5 };

export const FIRST_STAGE_LINE: LineStyle = { color: 'var(--muted)', dash: [1, 4], symbol: 'none', width: 2 };

export const MODEL_LINES: Readonly<Record<ModelReport['name'], LineStyle>> = {
  teacher: { color: 'var(--teacher)', dash: [7, 4], symbol: 'rect', width: 1.75 },
  lite: { color: 'var(--lite)', dash: [2, 3], symbol: 'triangle', width: 2 },
  sd: { color: 'var(--sd)', dash: [], symbol: 'circle', width: 2 },
};

export const BAND_LINES: Readonly<Record<keyof GateCurve['bands'], LineStyle>> = {
  ll: { color: 'var(--ll)', dash: [], symbol: 'circle', width: 2 },
  lh: { color: 'var(--lh)', dash: [7, 3], symbol: 'triangle', width: 1.75 },
  hl: { color: 'var(--hl)', dash: [2, 3], symbol: 'rect', width: 1.75 },
  hh: { color: 'var(--hh)', dash: [8, 3, 2, 3], symbol: 'diamond', width: 1.75 },
};

export const BANDS = [
  { key: 'll', label: 'LL', meaning: 'coarse' },
  { key: 'lh', label: 'LH', meaning: 'horizontal edges' },
  { key: 'hl', label: 'HL', meaning: 'vertical edges' },
  { key: 'hh', label: 'HH', meaning: 'diagonal detail' },
] as const;

const PART_DASHES = [[], [7, 4], [2, 3], [8, 3, 2, 3]] as const;

/** Terms of one model's loss share its color. */
export function partLine(model: ModelReport['name'], index: number): LineStyle {
  return { ...MODEL_LINES[model], dash: PART_DASHES[index % PART_DASHES.length], symbol: 'none' };
}
