import type { DType, TensorView } from './tensor-view';

/** An open file of which one tensor at a time comes into memory, whatever its format. */
export type TensorFile = {
  /** In the file's order. */
  readonly names: readonly string[];
  /** Dtype and shape of a tensor, without reading it. @throws CheckpointError where there is none of that name. */
  info(name: string): { readonly dtype: DType; readonly shape: readonly number[] };
  /** Reads one tensor. @throws CheckpointError where there is none of that name. */
  tensor(name: string): Promise<TensorView>;
  /** All tensors in the file's order, one in memory at a time. */
  tensors(): AsyncIterable<[name: string, view: TensorView]>;
};
