import { foldIn, normalArray, randomKey } from '@sd/core';
import type { Module } from '@sd/nn';

/** Gives every parameter random values, those that start at zero too, so that every path of a network has a gradient. */
export function randomize<M extends Module>(module: M, seed = 1): M {
  for (const [name, parameter] of module.parameters()) {
    const { torchShape, size } = parameter;
    const isNorm = torchShape.length === 1 && name.endsWith('weight');
    const fanIn = torchShape.slice(1).reduce((product, n) => product * n, 1);
    const deviation = torchShape.length === 1 ? 0.2 : 1 / Math.sqrt(fanIn);
    const values = normalArray(foldIn(randomKey(seed), name), size);
    parameter.load(Float32Array.from(values, (value) => (isNorm ? 1 : 0) + deviation * value));
  }
  return module;
}
