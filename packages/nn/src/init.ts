import { normalArray, type RandomKey, uniformArray } from '@sd/core';

/** Fills a parameter of `size` elements; the order of the elements is PyTorch's. */
export type Initializer = (key: RandomKey, size: number) => Float32Array;

export const zeros: Initializer = (_key, size) => new Float32Array(size);

export const ones: Initializer = (_key, size) => new Float32Array(size).fill(1);

/** Uniform in [-bound, bound]. */
export function uniformInit(bound: number): Initializer {
  return (key, size) => new Float32Array(uniformArray(key, size, -bound, bound));
}

/** Normal with this standard deviation and mean. */
export function normalInit(standardDeviation: number, mean = 0): Initializer {
  return (key, size) => new Float32Array(normalArray(key, size).map((value) => mean + value * standardDeviation));
}

/**
 * What torch.nn.Linear and torch.nn.Conv2d do by default, for the weight and for the bias:
 * kaiming_uniform(a = sqrt(5)), that is uniform within 1 / sqrt(fanIn).
 */
export function torchDefaultInit(fanIn: number): Initializer {
  return uniformInit(1 / Math.sqrt(fanIn));
}
