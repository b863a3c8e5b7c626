import { FRAGMENT } from './tile';

/** An array that matrices are loaded from or stored to, of a workgroup or the result: its name, and the type of what it holds. */
export type MatrixArray = { readonly name: string; readonly type: string };

/**
 * WGSL of matrix units: products of 16 x 16 matrices that a subgroup of 32 threads holds together. Every thread of a
 * workgroup must come to each call.
 */
export type MatrixUnits = {
  /** Type of an operand's values in a workgroup's memory. */
  readonly half: 'f16' | 'f32';
  /** Bytes of a workgroup's memory that the calls need themselves. */
  readonly memory: (threads: number) => number;
  /** Directives, and what the calls need: said once for a shader of so many threads. */
  readonly declarations: (threads: number, arrays: readonly MatrixArray[]) => string;
  /** Type of a variable that holds a matrix of zeros. */
  readonly type: (side: 'left' | 'right' | 'result') => string;
  /**
   * The matrix at `at` (`u32`) of an array, whose rows, or columns, are `stride` values apart. Places and strides count
   * values, also where `lanes` says that the array is one of `vec4`s.
   */
  readonly load: (options: {
    readonly side: 'left' | 'right' | 'result';
    readonly array: string;
    readonly lanes?: 1 | 4;
    readonly at: string;
    readonly stride: number;
    readonly order: 'row_major' | 'col_major';
  }) => string;
  /** x y + sum */
  readonly multiplyAdd: (x: string, y: string, sum: string) => string;
  /** A result times a factor. */
  readonly scale: (matrix: string, factor: string) => string;
  /** A statement that writes a result, rows `stride` (`u32`) values apart, into an array of `f32`, or of `vec4`s of them. */
  readonly store: (options: {
    readonly array: string;
    readonly lanes?: 1 | 4;
    readonly at: string;
    readonly matrix: string;
    readonly stride: string;
  }) => string;
  /** The largest of a subgroup's values. */
  readonly largest: (value: string) => string;
  /** The value of the other one of threads 2 i and 2 i + 1. */
  readonly swap: (value: string) => string;
};

/** Those of Dawn, as `chromium_experimental_subgroup_matrix` has them. */
export const dawnMatrixUnits: MatrixUnits = {
  half: 'f16',
  memory: () => 0,
  declarations: () => `
    //! enable f16;
    //! enable subgroups;
    //! enable chromium_experimental_subgroup_matrix;
    //! diagnostic(off, chromium.subgroup_matrix_uniformity);
    //! diagnostic(off, subgroup_uniformity);`,
  type: (side) => `subgroup_matrix_${side}<${side === 'result' ? 'f32' : 'f16'}, ${FRAGMENT}, ${FRAGMENT}>`,
  load: ({ side, array, lanes = 1, at, stride, order }) => {
    const place = lanes === 1 ? at : `(${at}) / ${lanes}u`;
    return `subgroupMatrixLoad<${dawnMatrixUnits.type(side)}, ${order}>(&${array}, ${place}, ${stride / lanes}u)`;
  },
  multiplyAdd: (x, y, sum) => `subgroupMatrixMultiplyAccumulate(${x}, ${y}, ${sum})`,
  scale: (matrix, factor) => `subgroupMatrixScalarMultiply(${matrix}, ${factor})`,
  store: ({ array, lanes = 1, at, matrix, stride }) => {
    const [place, apart] = lanes === 1 ? [at, stride] : [`(${at}) / ${lanes}u`, `(${stride}) / ${lanes}u`];
    return `subgroupMatrixStore<row_major>(&${array}, ${place}, ${matrix}, ${apart});`;
  },
  largest: (value) => `subgroupMax(${value})`,
  swap: (value) => `subgroupShuffleXor(${value}, 1u)`,
};

/** What shaders are written with. Set by tests, which have no such units. */
export const matrixUnits: { current: MatrixUnits } = { current: dawnMatrixUnits };
