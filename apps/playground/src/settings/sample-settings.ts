import type { ModelId } from '../model-id';

/** All that a sample depends on. */
export type SampleSettings = {
  readonly model: ModelId;
  readonly sampler: string;
  /** Spacing of the levels of noise, empty for the sampler's own. */
  readonly sigmas: string;
  readonly steps: number;
  readonly eta: number;
  readonly guidance: number;
  /** Index of the class, for models that take one. */
  readonly label: number;
  /** For models that take one; and what the images are led away from. */
  readonly prompt: string;
  readonly negative: string;
  readonly seed: number;
  readonly batch: number;
};

export const SAMPLE_DEFAULTS: SampleSettings = {
  model: 'sd',
  sampler: 'ddim',
  sigmas: '',
  steps: 20,
  eta: 0,
  guidance: 3,
  label: 0,
  prompt: '',
  negative: '',
  seed: 0,
  batch: 4,
};

/** What the page offers and a link may say. */
export const SAMPLE_RANGES = {
  steps: [1, 1000],
  eta: [0, 1],
  guidance: [0, 30],
  label: [0, 100_000],
  seed: [0, 2 ** 31 - 1],
  batch: [1, 64],
} as const satisfies Partial<Record<keyof SampleSettings, readonly [number, number]>>;
