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

/** Rows that are read side by side, so that 64 bytes at a time are written. */
const BLOCK = 16;

/** `order` must turn the axes around, the kernel's two taken as one: all that the layouts above do. */
function permute(data: Float32Array, shape: readonly number[], order: readonly number[]): Float32Array {
  // [O, I, HW] -> [HW, I, O], or back; a matrix has its one axis more in the middle.
  const isMatrix = order.length === 2;
  const kernelFirst = !isMatrix && order[0] === 3;
  const sizes = isMatrix
    ? [shape[0], 1, shape[1]]
    : kernelFirst
      ? [shape[0] * shape[1], shape[2], shape[3]]
      : [shape[0], shape[1], shape[2] * shape[3]];
  return turnAround(data, sizes[0], sizes[1], sizes[2]);
}

/**
 * `[a, b, c]` as `[c, b, a]`, in blocks: plain loops would meet every cache line of one side as often as it has elements.
 */
function turnAround(data: Float32Array, a: number, b: number, c: number): Float32Array {
  const result = new Float32Array(data.length);
  const row = b * c;
  for (let first = 0; first < a; first += BLOCK) {
    const last = Math.min(first + BLOCK, a);
    for (let j = 0; j < b; j++) {
      for (let k = 0; k < c; k++) {
        const to = (k * b + j) * a;
        let from = first * row + j * c + k;
        for (let i = first; i < last; i++, from += row) result[to + i] = data[from];
      }
    }
  }
  return result;
}
