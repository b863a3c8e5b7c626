import type { MatrixArray } from './matrix-units';
import type { ShaderOptions } from './shader-text';

export type SumOptions = ShaderOptions & {
  /** Whether operands are multiplied by `scales.x` and `scales.y`. */
  readonly scaled: boolean;
  /** The result is written in fours. */
  readonly vectorOut: boolean;
};

/**
 * WGSL that adds the products of a workgroup's tile to `accI_J`, the fragments of a subgroup whose first row and column in
 * the tile are `ownM` and `ownN`.
 */
export type MixedSum = {
  /** Of the workgroup's memory, that matrices are loaded from. */
  readonly arrays: readonly MatrixArray[];
  readonly declarations: string;
  /** Before the sums begin. */
  readonly setup: string;
  readonly loop: string;
  /** Of the result, the first row of the fragments `i`, where they do not follow one another. */
  readonly rowOf?: (i: number) => string;
};
