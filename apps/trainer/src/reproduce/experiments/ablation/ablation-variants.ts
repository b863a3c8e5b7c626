import { ABLATION_FID } from '../../published';

/** A student of the ablation: what is wavelet-gated, and what it learns from the teacher. */
export type AblationVariant = {
  readonly name: string;
  readonly label: string;
  /** The paper's FID on FFHQ, of its six rows. */
  readonly fid?: number;
  /** In place of strided and nearest resampling; none for a student that has no gates. */
  readonly wavelet?: { readonly fuse: 'conv' | 'sum'; readonly gate: 'channel' | 'band' };
  /** Left out for a student that is trained alone. */
  readonly distillation?: Readonly<Record<string, unknown>>;
};

const GATED = { fuse: 'conv', gate: 'channel' } as const;

/** Of both terms of the distillation. */
const lambda = (value: number) => ({ lambdaSpatial: value, lambdaFrequency: value });

/** The six rows of Table 5. */
export const ABLATION_ROWS: readonly AblationVariant[] = [
  { name: 'lite', label: 'Lite', fid: ABLATION_FID.lite },
  { name: 'wg', label: 'Lite + WG', fid: ABLATION_FID.wg, wavelet: GATED },
  { name: 'no-wg', label: 'SD without WG', fid: ABLATION_FID['no-wg'], distillation: {} },
  {
    name: 'no-spatial',
    label: 'SD without L_spatial',
    fid: ABLATION_FID['no-spatial'],
    wavelet: GATED,
    distillation: { lambdaSpatial: 0 },
  },
  {
    name: 'no-freq',
    label: 'SD without L_freq',
    fid: ABLATION_FID['no-freq'],
    wavelet: GATED,
    distillation: { lambdaFrequency: 0 },
  },
  { name: 'full', label: 'SD', fid: ABLATION_FID.full, wavelet: GATED, distillation: {} },
];

/**
 * What the paper's text leaves open, and what may make its claims hold or fail at a scale that is not its own: the full
 * student with one thing changed.
 */
export const OPEN_VARIANTS: readonly AblationVariant[] = [
  { name: 'fuse-sum', label: 'SD, bands fused by a sum', wavelet: { ...GATED, fuse: 'sum' }, distillation: {} },
  { name: 'gate-band', label: 'SD, one gate a band', wavelet: { ...GATED, gate: 'band' }, distillation: {} },
  {
    name: 'fft-backward',
    label: 'SD, DFT not normalized',
    wavelet: GATED,
    distillation: { spectrum: { norm: 'backward' } },
  },
  {
    name: 'weight-raw',
    label: 'SD, weights not of mean 1',
    wavelet: GATED,
    distillation: { spectrum: { normalize: false } },
  },
  { name: 'output-only', label: 'SD, output alone', wavelet: GATED, distillation: { features: 'output' } },
  { name: 'finest', label: 'SD, output and finest level', wavelet: GATED, distillation: { features: [0] } },
  { name: 'coarser', label: 'SD, output and next level', wavelet: GATED, distillation: { features: [1] } },
  { name: 'alpha-zero', label: 'SD, frequencies weighed alike', wavelet: GATED, distillation: { alpha: 0 } },
  { name: 'lambda-tenth', label: 'SD, lambdas of 0.01', wavelet: GATED, distillation: lambda(0.01) },
  { name: 'lambda-hundredth', label: 'SD, lambdas of 0.001', wavelet: GATED, distillation: lambda(0.001) },
  {
    name: 'output-one',
    label: 'SD, output alone, lambdas of 1',
    wavelet: GATED,
    distillation: { features: 'output', ...lambda(1) },
  },
];

/** The ablation once more, of students that are compared with the teacher by the output alone and learn mostly from it. */
export const OUTPUT_ROWS: readonly AblationVariant[] = [
  {
    name: 'output-ten-no-wg',
    label: 'SD of the output, without WG',
    distillation: { features: 'output', ...lambda(10) },
  },
  {
    name: 'output-ten-no-spatial',
    label: 'SD of the output, without L_spatial',
    wavelet: GATED,
    distillation: { features: 'output', ...lambda(10), lambdaSpatial: 0 },
  },
  {
    name: 'output-ten-no-freq',
    label: 'SD of the output, without L_freq',
    wavelet: GATED,
    distillation: { features: 'output', ...lambda(10), lambdaFrequency: 0 },
  },
  {
    name: 'output-ten',
    label: 'SD of the output, lambdas of 10',
    wavelet: GATED,
    distillation: { features: 'output', ...lambda(10) },
  },
];

/** Students of every seed. */
export const SEEDED: readonly AblationVariant[] = [...ABLATION_ROWS, ...OUTPUT_ROWS];

/** All students, the six rows first. */
export const VARIANTS: readonly AblationVariant[] = [...ABLATION_ROWS, ...OPEN_VARIANTS, ...OUTPUT_ROWS];

/** What one part of the method changes: the second student less the first. */
export const EFFECTS = [
  { label: 'WG, without a teacher', from: 'lite', to: 'wg' },
  { label: 'WG, with the teacher', from: 'no-wg', to: 'full' },
  { label: 'L_spatial', from: 'no-spatial', to: 'full' },
  { label: 'L_freq', from: 'no-freq', to: 'full' },
  { label: 'all of it', from: 'lite', to: 'full' },
] as const;

/** The same of the students of `OUTPUT_ROWS`. */
export const OUTPUT_EFFECTS = [
  { label: 'WG, with the teacher', from: 'output-ten-no-wg', to: 'output-ten' },
  { label: 'L_spatial', from: 'output-ten-no-spatial', to: 'output-ten' },
  { label: 'L_freq', from: 'output-ten-no-freq', to: 'output-ten' },
  { label: 'distillation', from: 'wg', to: 'output-ten' },
  { label: 'all of it', from: 'lite', to: 'output-ten' },
] as const;

/** Students that are trained longer besides: what the whole of it and its two parts change, once the budget is another. */
export const LONGER = ['lite', 'wg', 'full', 'output-ten'] as const;

/** Students that differ by the lambdas of both terms alone. */
export const LAMBDA_SERIES = [
  {
    label: 'output and features',
    students: [
      { lambda: 0.001, name: 'lambda-hundredth' },
      { lambda: 0.01, name: 'lambda-tenth' },
      { lambda: 0.1, name: 'full' },
    ],
  },
  {
    label: 'output alone',
    students: [
      { lambda: 0.1, name: 'output-only' },
      { lambda: 1, name: 'output-one' },
      { lambda: 10, name: 'output-ten' },
    ],
  },
] as const;
