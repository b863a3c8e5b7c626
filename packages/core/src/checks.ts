import type { Tensor } from '@tensorflow/tfjs-core';
import { ArgumentError, ShapeError } from './errors';

/** A dimension of an expected shape: a number is exact, a string is a name that matches any size. */
export type Dimension = number | string;

/**
 * Checks that a tensor is alive and has the expected shape.
 *
 * @param expected exact sizes as numbers, free ones as names: `['N', 'H', 'W', 64]`.
 * @throws {ShapeError} on another rank or size. @throws {ArgumentError} on a disposed tensor, about which tfjs itself
 * only says that it cannot read a property of undefined.
 */
export function checkShape(operation: string, argument: string, tensor: Tensor, expected: readonly Dimension[]): void {
  checkAlive(operation, argument, tensor);
  const { shape } = tensor;
  const matches =
    shape.length === expected.length &&
    expected.every((size, axis) => typeof size === 'string' || size === shape[axis]);
  if (!matches) throw new ShapeError(operation, argument, `[${expected.join(', ')}]`, shape);
}

/** @throws {ArgumentError} when the tensor has been disposed. */
export function checkAlive(operation: string, argument: string, tensor: Tensor): void {
  if (tensor.isDisposed) throw new ArgumentError(operation, argument, 'a tensor that is not disposed', tensor.shape);
}

/** @throws {ArgumentError} unless value is an integer of at least `minimum`. */
export function checkInteger(operation: string, argument: string, value: number, minimum = 1): void {
  if (!Number.isSafeInteger(value) || value < minimum) {
    throw new ArgumentError(operation, argument, `an integer >= ${minimum}`, value);
  }
}

/** @throws {ArgumentError} unless value is a finite number in [minimum, maximum]. */
export function checkRange(operation: string, argument: string, value: number, minimum: number, maximum: number): void {
  if (!Number.isFinite(value) || value < minimum || value > maximum) {
    throw new ArgumentError(operation, argument, `a number in [${minimum}, ${maximum}]`, value);
  }
}
