import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { Mean, Sum, util } from '@tensorflow/tfjs-core';
import { f32, i32, run, type WebGPUKernel } from './program';

const WORKGROUP = 256;
/** Columns of a workgroup, side by side in memory. The other threads share the rows. */
const COLUMNS = 16;
const LANES = WORKGROUP / COLUMNS;
/** Rows that a thread adds before the sum is worth a second dispatch. */
const ROWS_IN_ONE = 32;
/** Rows that a thread adds, and parts of a sum, where there is a second dispatch. */
const ROWS_PER_THREAD = 8;
const MAX_PARTS = 256;

/** `[outer, rows, columns]` -> `[outer, parts, columns]`, each part the sum of as many rows, times a factor. */
function sumRows(
  backend: WebGPUBackend,
  x: TensorInfo,
  [outer, rows, columns]: Sizes,
  { parts, factor }: { readonly parts: number; readonly factor: number },
): TensorInfo {
  const tiles = Math.ceil(columns / COLUMNS);
  return run(backend, {
    key: 'sum_rows',
    inputs: { x },
    outputShape: [outer, parts, columns],
    numbers: {
      groups: i32(outer * parts * tiles),
      rows: i32(rows),
      columns: i32(columns),
      parts: i32(parts),
      tiles: i32(tiles),
      span: i32(Math.ceil(rows / parts)),
      factor: f32(factor),
    },
    workgroups: outer * parts * tiles,
    workgroupSize: WORKGROUP,
    declarations: `var<workgroup> sums : array<f32, ${WORKGROUP}>;`,
    code: `
      let column = (group % uniforms.tiles) * ${COLUMNS} + lane % ${COLUMNS};
      let part = (group / uniforms.tiles) % uniforms.parts;
      let slice = group / uniforms.tiles / uniforms.parts;
      let isOwn = group < uniforms.groups && column < uniforms.columns;
      var sum = 0.0;
      if (isOwn) {
        let end = min((part + 1) * uniforms.span, uniforms.rows);
        for (var row = part * uniforms.span + lane / ${COLUMNS}; row < end; row = row + ${LANES}) {
          sum = sum + x[(slice * uniforms.rows + row) * uniforms.columns + column];
        }
      }
      sums[lane] = sum;
      workgroupBarrier();
      if (isOwn && lane < ${COLUMNS}) {
        var total = 0.0;
        for (var i = 0; i < ${LANES}; i = i + 1) { total = total + sums[i * ${COLUMNS} + lane]; }
        result[(slice * uniforms.parts + part) * uniforms.columns + column] = uniforms.factor * total;
      }`,
  });
}

type Sizes = readonly [outer: number, rows: number, columns: number];

/** How a tensor is cut at adjoining axes that are summed, with others behind them; null where it is not so. */
function sizesOf(shape: readonly number[], axes: readonly number[]): Sizes | null {
  const sorted = [...axes].sort((a, b) => a - b);
  const [first = 0, last = 0] = [sorted[0], sorted.at(-1)];
  if (sorted.length === 0 || last - first !== sorted.length - 1) return null;
  const size = (part: readonly number[]) => part.reduce((product, dimension) => product * dimension, 1);
  const sizes = [size(shape.slice(0, first)), size(shape.slice(first, last + 1)), size(shape.slice(last + 1))] as const;
  return sizes[2] > 1 && sizes[0] * sizes[1] > 0 ? sizes : null;
}

/**
 * Sums or means over adjoining axes that are not the last ones, in one dispatch, or two where there are many rows, each
 * with sums of few terms. @returns owned by the caller; null for other axes and types.
 */
export function reduceRows(
  backend: WebGPUBackend,
  x: TensorInfo,
  axes: readonly number[],
  { mean }: { readonly mean: boolean },
): TensorInfo | null {
  const sizes = x.dtype === 'float32' ? sizesOf(x.shape, axes) : null;
  if (sizes === null) return null;
  const [outer, rows, columns] = sizes;
  const parts = rows <= LANES * ROWS_IN_ONE ? 1 : Math.min(MAX_PARTS, Math.ceil(rows / (LANES * ROWS_PER_THREAD)));
  const factor = mean ? 1 / rows : 1;
  if (parts === 1) return sumRows(backend, x, sizes, { parts, factor });
  const sums = sumRows(backend, x, sizes, { parts, factor: 1 });
  const total = sumRows(backend, sums, [outer, parts, columns], { parts: 1, factor });
  backend.disposeData(sums.dataId);
  return total;
}

const reduction = (kernelName: string, options: { readonly mean: boolean }): WebGPUKernel => ({
  kernelName,
  run: ({ inputs, attrs, backend }) => {
    const x = inputs.x as TensorInfo;
    const { axis, keepDims } = attrs as { axis: number | number[]; keepDims: boolean };
    const axes = util.parseAxisParam(axis, [...x.shape]);
    const reduced = reduceRows(backend, x, axes, options);
    if (reduced === null) return null;
    const shape = keepDims
      ? x.shape.map((dimension, i) => (axes.includes(i) ? 1 : dimension))
      : x.shape.filter((_, i) => !axes.includes(i));
    return { ...reduced, shape };
  },
});

/**
 * Sums over adjoining axes that are not the last ones: gradients of biases, of embeddings that were added to images, of
 * parts of a product. tfjs transposes the tensor first. {x} with {axis, keepDims} -> sum; everything else is left to tfjs.
 */
export const sum = reduction(Sum, { mean: false });

/** Means over such axes, in the same way: tfjs transposes for them, too. */
export const mean = reduction(Mean, { mean: true });
