import type { NativeLibrary } from './library';

/** One axis of a copy: its size and the distances of its steps in the source and in the target, in elements. */
type Axis = { readonly size: number; readonly from: number; readonly to: number };

/** Distances of the steps of each axis of a dense row-major tensor, in elements. */
export function denseStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let d = shape.length - 2; d >= 0; d--) strides[d] = (strides[d + 1] as number) * (shape[d + 1] as number);
  return strides;
}

/** Axes of size 1 left out, axes that are one in source and target joined, ordered for the target. */
function canonical(axes: readonly Axis[]): Axis[] {
  const ordered = axes.filter(({ size }) => size !== 1).sort((a, b) => Math.abs(b.to) - Math.abs(a.to));
  const joined: Axis[] = [];
  for (const axis of ordered) {
    const outer = joined.at(-1);
    if (outer !== undefined && outer.from === axis.from * axis.size && outer.to === axis.to * axis.size) {
      joined[joined.length - 1] = { ...axis, size: outer.size * axis.size };
    } else {
      joined.push(axis);
    }
  }
  if (joined.length === 0) joined.push({ size: 1, from: 1, to: 1 });
  // The SIMD transpose wants the axis along which the source is dense next to the one along which the target is.
  const dense = joined.findIndex(({ from }) => from === 1);
  if (dense >= 0 && dense < joined.length - 2) joined.splice(joined.length - 2, 0, ...joined.splice(dense, 1));
  return joined;
}

/**
 * Copies 4-byte elements from one strided view to another.
 * @param target, source addresses of the views' first elements
 * @param shape of both views
 * @param from, to distances of the steps of each axis in elements; 0 repeats, negative runs backwards
 */
export function stridedCopy(
  native: NativeLibrary,
  target: number,
  source: number,
  shape: readonly number[],
  from: readonly number[],
  to: readonly number[],
): void {
  if (shape.includes(0)) return;
  const axes = canonical(shape.map((size, d) => ({ size, from: from[d] as number, to: to[d] as number })));
  const table = native.table(axes.flatMap(({ size, from, to }) => [size, 4 * from, 4 * to]));
  native.functions.copyStrided(target, source, axes.length, table);
}
