import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { backend_util, Max, Mean, Min, Sum, util } from '@tensorflow/tfjs-core';
import { addressOf, type NativeLibrary } from '../native/library';
import { nativeKernel } from '../wasm-kernel';

/** A run of axes that are all reduced or all kept. */
type Run = { readonly size: number; readonly reduced: boolean };

function runsOf(shape: readonly number[], axes: readonly number[]): Run[] {
  const runs: Run[] = [];
  for (const [d, size] of shape.entries()) {
    if (size === 1) continue;
    const reduced = axes.includes(d);
    const last = runs.at(-1);
    if (last?.reduced === reduced) runs[runs.length - 1] = { size: last.size * size, reduced };
    else runs.push({ size, reduced });
  }
  return runs;
}

/** One pass over `[outer, size, inner]`, into `[outer, inner]`. */
type Pass = (target: number, source: number, outer: number, size: number, inner: number, last: boolean) => void;

/**
 * Reduces run after run, the outermost first: it is the longest as a rule, and its pass reads neighboring columns together.
 * @returns the tensor, of shape `shape`
 */
function reduced(
  backend: BackendWasm,
  x: TensorInfo,
  axes: readonly number[],
  shape: number[],
  pass: Pass,
): TensorInfo {
  const runs = runsOf(x.shape, axes);
  const count = runs.filter((run) => run.reduced).length;
  if (count === 0) runs.push({ size: 1, reduced: true });
  let source = x;
  for (let left = Math.max(1, count); left > 0; left--) {
    const at = runs.findIndex((run) => run.reduced);
    const product = (part: readonly Run[]) => part.reduce((size, run) => size * run.size, 1);
    const [outer, inner] = [product(runs.slice(0, at)), product(runs.slice(at + 1))];
    const target = backend.makeOutput(left === 1 ? shape : [outer * inner], 'float32');
    pass(addressOf(backend, target), addressOf(backend, source), outer, (runs[at] as Run).size, inner, left === 1);
    if (source !== x) backend.disposeData(source.dataId);
    source = target;
    runs.splice(at, 1);
  }
  return source;
}

function reduction(kernelName: string, axisName: string, passOf: (native: NativeLibrary, count: number) => Pass) {
  return nativeKernel(kernelName, ({ inputs, attrs, backend, native }): TensorInfo | null => {
    const { x } = inputs as { x: TensorInfo };
    if (x.dtype !== 'float32' || x.shape.includes(0)) return null;
    const axes = util.parseAxisParam(attrs[axisName] as number | number[], x.shape);
    const [kept, dropped] = backend_util.computeOutAndReduceShapes(x.shape, axes);
    const shape = attrs.keepDims ? backend_util.expandShapeToKeepDim(kept, axes) : kept;
    return reduced(backend, x, axes, shape, passOf(native, util.sizeFromShape(dropped)));
  });
}

const sums =
  (scaleOf: (count: number) => number) =>
  ({ functions }: NativeLibrary, count: number): Pass =>
  (target, source, outer, size, inner, last) => {
    const scale = last ? scaleOf(count) : 1;
    if (inner === 1) functions.sumRows(target, source, outer, size, scale);
    else functions.sumColumns(target, source, outer, size, inner, scale);
  };

const extremes =
  (least: boolean) =>
  ({ functions }: NativeLibrary): Pass =>
  (target, source, outer, size, inner) => {
    if (inner === 1) functions.extremeRows(target, source, outer, size, Number(least));
    else functions.extremeColumns(target, source, outer, size, inner, Number(least));
  };

export const sum = reduction(
  Sum,
  'axis',
  sums(() => 1),
);
export const mean = reduction(
  Mean,
  'axis',
  sums((count) => 1 / count),
);
export const max = reduction(Max, 'reductionIndices', extremes(false));
export const min = reduction(Min, 'axis', extremes(true));
