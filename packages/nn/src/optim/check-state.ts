import type { StateDict } from '@sd/checkpoint';
import { SpectralDiffusionError } from '@sd/core';

/** A name in a state dict and the shape that its tensor must have. */
export type ExpectedTensor = readonly [name: string, shape: readonly number[]];

/** @throws {SpectralDiffusionError} that lists every name that is missing or of another shape. */
export function checkState(operation: string, state: StateDict, expected: readonly ExpectedTensor[]): void {
  const wrong = expected.filter(([name, shape]) => state.get(name)?.shape.join() !== shape.join());
  if (wrong.length === 0) return;
  const names = wrong.map(([name, shape]) => `${name} [${shape.join(', ')}]`);
  throw new SpectralDiffusionError(`${operation}: missing or of another shape: ${names.join(', ')}`);
}
