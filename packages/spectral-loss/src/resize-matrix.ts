import { type ConstantMatrix, constantMatrix } from './constant-matrix';

/** How an image is resampled; every method is PyTorch's `interpolate` of that name. */
export type ResizeMethod = 'bilinear' | 'bilinear-antialias' | 'area' | 'nearest';

/** The input samples (`first`, `first + 1`, ...) that one output sample mixes, and their weights (of sum 1). */
type Tap = { readonly first: number; readonly weights: readonly number[] };

/** `tap(i, from, to)` of output sample i, when `from` samples become `to`. */
const taps: Readonly<Record<ResizeMethod, (i: number, from: number, to: number) => Tap>> = {
  nearest: (i, from, to) => ({ first: Math.floor((i * from) / to), weights: [1] }),

  // Half-pixel centers (align_corners=False), clamped at the border.
  bilinear: (i, from, to) => {
    const position = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
    const first = Math.min(Math.floor(position), Math.max(from - 2, 0));
    const fraction = position - first;
    return { first, weights: from === 1 ? [1] : [1 - fraction, fraction] };
  },

  // Mean of all samples that the output sample touches (adaptive average pooling).
  area: (i, from, to) => {
    const first = Math.floor((i * from) / to);
    const count = Math.ceil(((i + 1) * from) / to) - first;
    return { first, weights: new Array<number>(count).fill(1 / count) };
  },

  // A triangle as wide as the output's pixel pitch when shrinking; plain bilinear when growing.
  'bilinear-antialias': (i, from, to) => {
    const pitch = Math.max(from / to, 1);
    const center = ((i + 0.5) * from) / to;
    const first = Math.max(Math.floor(center - pitch + 0.5), 0);
    const end = Math.min(Math.floor(center + pitch + 0.5), from);
    const triangle = Array.from({ length: end - first }, (_, k) =>
      Math.max(1 - Math.abs(first + k + 0.5 - center) / pitch, 0),
    );
    const sum = triangle.reduce((a, b) => a + b, 0);
    return { first, weights: triangle.map((weight) => weight / sum) };
  },
};

export const RESIZE_METHODS: readonly string[] = Object.keys(taps);

/** Resampling of one axis as a matrix that acts on row vectors. @returns `[from, to]`. */
export function resizeMatrix(method: ResizeMethod, from: number, to: number): ConstantMatrix {
  const columns = Array.from({ length: to }, (_, i) => taps[method](i, from, to));
  return constantMatrix(from, to, (row, column) => {
    const { first, weights } = columns[column]!;
    return weights[row - first] ?? 0;
  });
}
