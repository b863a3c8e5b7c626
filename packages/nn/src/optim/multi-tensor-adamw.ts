import type { NamedTensorMap, Scalar, Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Kernel name that a backend may register: a whole step of AdamW, with clipping and moving average, of all parameters.
 * They come in chunks; the moments and averages of a chunk are flat tensors with its parameters end to end.
 *
 * Inputs: `parameter.i`, `gradient.i` for each parameter i, counted over all chunks; `expAvg.c`, `expAvgSq.c` and, where
 * it has averages, `average.c` for each chunk c; `gradientScale`, a scalar that multiplies the gradients, unless there
 * is `maxNorm`. Attributes: `MultiTensorAdamWAttributes`. Outputs: the new parameters, then for each chunk its new
 * moments and average, then, with `maxNorm`, the gradients' global norm. The values are those of `AdamW`, `globalNorm`,
 * `clipFactor` and `ExponentialMovingAverage`. An output may be its input, overwritten, where nothing else holds that.
 */
export const MULTI_TENSOR_ADAMW_KERNEL = 'MultiTensorAdamW';

export type MultiTensorAdamWAttributes = {
  /** Parameters of each chunk. */
  readonly counts: number[];
  /** lr / (1 - b1^k) and 1 / sqrt(1 - b2^k) of each chunk. */
  readonly stepSizes: number[];
  readonly denominatorScales: number[];
  readonly decay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** 1 - decay of the averages. */
  readonly averageRate: number;
  /** Norm to which the gradients are clipped; 0 says that `gradientScale` is given. */
  readonly maxNorm: number;
};

/** Parameters with as many gradients behind them, and all or none of them with an average. */
export type AdamWChunk = {
  readonly parameters: readonly Tensor[];
  readonly gradients: readonly Tensor[];
  readonly expAvg: Tensor1D;
  readonly expAvgSq: Tensor1D;
  readonly average: Tensor1D | undefined;
  readonly stepSize: number;
  readonly denominatorScale: number;
};

export type MultiTensorAdamWResult = {
  readonly parameters: readonly Tensor[];
  readonly chunks: readonly { readonly expAvg: Tensor1D; readonly expAvgSq: Tensor1D; readonly average?: Tensor1D }[];
  readonly norm: Scalar | undefined;
};

/** Runs the kernel on the active backend, which must have it. Everything is borrowed; the results are the caller's. */
export function multiTensorAdamW(
  chunks: readonly AdamWChunk[],
  gradientScale: Scalar | undefined,
  shared: Omit<MultiTensorAdamWAttributes, 'counts' | 'stepSizes' | 'denominatorScales'>,
): MultiTensorAdamWResult {
  const inputs: NamedTensorMap = gradientScale ? { gradientScale } : {};
  for (const [i, parameter] of chunks.flatMap(({ parameters }) => parameters).entries()) {
    inputs[`parameter.${i}`] = parameter;
  }
  for (const [i, gradient] of chunks.flatMap(({ gradients }) => gradients).entries())
    inputs[`gradient.${i}`] = gradient;
  for (const [c, { expAvg, expAvgSq, average }] of chunks.entries()) {
    Object.assign(inputs, { [`expAvg.${c}`]: expAvg, [`expAvgSq.${c}`]: expAvgSq });
    if (average) inputs[`average.${c}`] = average;
  }
  const attributes: MultiTensorAdamWAttributes = {
    ...shared,
    counts: chunks.map(({ parameters }) => parameters.length),
    stepSizes: chunks.map(({ stepSize }) => stepSize),
    denominatorScales: chunks.map(({ denominatorScale }) => denominatorScale),
  };
  const outputs = tf.engine().runKernel<Tensor[]>(MULTI_TENSOR_ADAMW_KERNEL, inputs, attributes);
  let next = attributes.counts.reduce((sum, count) => sum + count, 0);
  const parameters = outputs.slice(0, next);
  const take = () => outputs[next++] as Tensor1D;
  const results = chunks.map(({ average }) => {
    const moments = { expAvg: take(), expAvgSq: take() };
    return average ? { ...moments, average: take() } : moments;
  });
  return { parameters, chunks: results, norm: outputs[next] as Scalar | undefined };
}
