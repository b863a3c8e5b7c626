import { ShapeError } from '@sd/core';
import type { Shape } from '@tensorflow/tfjs-layers';

export type ImageShape = [batch: number | null, height: number | null, width: number | null, channels: number];

/** @throws {ShapeError} unless it is one shape `[N, H, W, C]` whose channels are known. */
export function imageShape(layer: string, shape: Shape | Shape[]): ImageShape {
  if (shape.length !== 4 || Array.isArray(shape[0]) || typeof shape[3] !== 'number') {
    throw new ShapeError(layer, 'input', '[N, H, W, C] with known C', shape.flat());
  }
  return shape as ImageShape;
}
