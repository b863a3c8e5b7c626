/**
 * How a parameter lies in a PyTorch state dict and in memory. PyTorch's layout exists only here and in files;
 * in memory everything is NHWC and HWIO.
 */
export type Layout = 'same' | 'oi->io' | 'oi1->io' | 'oihw->hwio';

type Permutation = { readonly rank: number; readonly order: readonly number[] };

// order[i] is the PyTorch axis that becomes memory axis i.
const PERMUTATIONS: Record<Layout, Permutation | undefined> = {
  same: undefined,
  'oi->io': { rank: 2, order: [1, 0] },
  'oi1->io': { rank: 3, order: [1, 0] }, // a 1-D convolution of width 1: the last axis is dropped
  'oihw->hwio': { rank: 4, order: [2, 3, 1, 0] },
};

/** Shape in memory of a parameter of this PyTorch shape. */
export function memoryShape(layout: Layout, torchShape: readonly number[]): number[] {
  const permutation = PERMUTATIONS[layout];
  return permutation ? permutation.order.map((axis) => torchShape[axis]) : [...torchShape];
}

/** Elements from PyTorch order into memory order. Never returns its argument where the order differs. */
export function toMemory(layout: Layout, data: Float32Array, torchShape: readonly number[]): Float32Array {
  const permutation = PERMUTATIONS[layout];
  if (!permutation) return data;
  return permute(data, torchShape.slice(0, permutation.order.length), permutation.order);
}

/** Elements from memory order into PyTorch order. */
export function toTorch(layout: Layout, data: Float32Array, torchShape: readonly number[]): Float32Array {
  const permutation = PERMUTATIONS[layout];
  if (!permutation) return data;
  const inverse = permutation.order.map((_, axis) => permutation.order.indexOf(axis));
  return permute(data, memoryShape(layout, torchShape), inverse);
}

function permute(data: Float32Array, shape: readonly number[], order: readonly number[]): Float32Array {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const sizes = order.map((axis) => shape[axis]);
  const steps = order.map((axis) => strides[axis]);
  const result = new Float32Array(data.length);
  let next = 0;
  const visit = (axis: number, offset: number): void => {
    if (axis === sizes.length) {
      result[next++] = data[offset];
      return;
    }
    for (let i = 0; i < sizes[axis]; i++) visit(axis + 1, offset + i * steps[axis]);
  };
  visit(0, 0);
  return result;
}
