import { ArgumentError, checkInteger } from '@sd/core';

/** A tensor of a file. */
export type TensorSource = { readonly name: string; readonly shape: readonly number[] };

/**
 * Where one parameter lies in the files of a project. `join` and `split` are inverse and see values in PyTorch's order;
 * both may return their arguments.
 */
export type TensorMapping = {
  readonly sources: readonly TensorSource[];
  /** The sources' values, in their order, as the parameter's. */
  join(values: readonly Float32Array[]): Float32Array;
  /** The parameter's values as the sources'. */
  split(own: Float32Array): Float32Array[];
};

/** Where a file keeps a model: its tensors' names begin so. */
export type LayoutPlace = {
  readonly prefix: string;
  /** A moving average as LDM's LitEma keeps it: the names after the prefix have lost their dots. */
  readonly ema?: boolean;
};

/** The names and shapes under which a project keeps a module's parameters. */
export type StateDictLayout = {
  /** As 'CompVis latent-diffusion' or 'diffusers'. */
  readonly project: string;
  /** By the own dotted name of the parameter or buffer; each has one, a buffer a `renamed`. */
  readonly tensors: ReadonlyMap<string, TensorMapping>;
  /** The first is where a module is written. Only `{ prefix: '' }` by default. */
  readonly places?: readonly LayoutPlace[];
};

/** One tensor for one parameter, under another name and perhaps in another shape of the same order: `[C, C]` for `[C, C, 1, 1]`. */
export function renamed(name: string, shape: readonly number[]): TensorMapping {
  return {
    sources: [{ name, shape }],
    join: ([values]) => values,
    split: (own) => [own],
  };
}

/**
 * Several tensors of the same shape for one parameter: each is cut along its first axis into `blocks`, and these are
 * laid in turn: of `to_q`, `to_k` and `to_v` with one block to a head, LDM's qkv `[q, k, v]` of the first head first.
 * @throws {ArgumentError} where the blocks do not divide the first axis.
 */
export function interleaved(names: readonly string[], shape: readonly number[], blocks: number): TensorMapping {
  checkInteger('interleaved', 'blocks', blocks);
  if (shape.length === 0 || shape[0] % blocks !== 0) {
    throw new ArgumentError('interleaved', 'blocks', `a divisor of the first axis of [${shape.join(', ')}]`, blocks);
  }
  const parts = names.length;
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  const length = size / blocks;
  // (block, part) of the parameter is block `block` of the part
  const offset = (block: number, part: number) => (block * parts + part) * length;
  return {
    sources: names.map((name) => ({ name, shape })),
    join: (values) => {
      const own = new Float32Array(parts * size);
      for (const [part, data] of values.entries()) {
        for (let block = 0; block < blocks; block++) {
          own.set(data.subarray(block * length, (block + 1) * length), offset(block, part));
        }
      }
      return own;
    },
    split: (own) =>
      names.map((_, part) => {
        const data = new Float32Array(size);
        for (let block = 0; block < blocks; block++) {
          data.set(own.subarray(offset(block, part), offset(block, part) + length), block * length);
        }
        return data;
      }),
  };
}

type Shaped = ReadonlyMap<string, { readonly torchShape: readonly number[] }>;

/** The layout of a module whose own names and shapes are the project's, buffers included. */
export function ownLayout(
  project: string,
  module: { parameters(): Shaped; buffers(): Shaped },
  places?: readonly LayoutPlace[],
): StateDictLayout {
  const entries = [...module.parameters(), ...module.buffers()];
  const tensors = new Map(entries.map(([name, { torchShape }]) => [name, renamed(name, torchShape)]));
  return { project, tensors, ...(places ? { places } : {}) };
}

/** The name in a file of a tensor that a layout calls `name`. */
export function nameAt({ prefix, ema = false }: LayoutPlace, name: string): string {
  return prefix + (ema ? name.replaceAll('.', '') : name);
}

/** Places of a layout, of which there is at least one. */
export function placesOf({ places }: StateDictLayout): readonly LayoutPlace[] {
  return places && places.length > 0 ? places : [{ prefix: '' }];
}

/** How a file's names were understood. */
export type FoundLayout = {
  readonly project: string;
  readonly prefix: string;
  readonly ema: boolean;
  /** Names of the layout that the file has, of how many. */
  readonly matched: number;
  readonly total: number;
};
