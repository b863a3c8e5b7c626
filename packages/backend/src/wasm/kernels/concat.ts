import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { backend_util, Concat, Pack, util } from '@tensorflow/tfjs-core';
import { addressOf, type NativeLibrary } from '../native/library';
import { denseStrides, stridedCopy } from '../native/strided-copy';
import { hasFourByteElements, nativeKernel } from '../wasm-kernel';

/** Puts tensors one behind the other along an axis of a new tensor whose shape on that axis is the sum of theirs. */
function joined(
  native: NativeLibrary,
  backend: BackendWasm,
  parts: readonly TensorInfo[],
  partShapes: readonly (readonly number[])[],
  axis: number,
  shape: readonly number[],
): TensorInfo {
  const out = backend.makeOutput([...shape], (parts[0] as TensorInfo).dtype);
  const to = denseStrides(shape);
  let target = addressOf(backend, out);
  for (const [i, part] of parts.entries()) {
    const partShape = partShapes[i] as readonly number[];
    stridedCopy(native, target, addressOf(backend, part), partShape, denseStrides(partShape), to);
    target += 4 * (to[axis] as number) * (partShape[axis] as number);
  }
  return out;
}

/** `tf.concat` */
export const concat = nativeKernel(Concat, ({ inputs, attrs, backend, native }): TensorInfo | null => {
  const all = inputs as unknown as readonly TensorInfo[];
  const first = all[0] as TensorInfo;
  const [axis] = util.parseAxisParam(attrs.axis as number, first.shape) as [number];
  const shapes = all.map(({ shape }) => shape);
  const parts = all.filter(({ shape }) => util.sizeFromShape(shape) > 0);
  if (parts.length < 2 || !all.every((part) => hasFourByteElements(part) && part.dtype === first.dtype)) return null;
  backend_util.assertParamsConsistent(shapes, axis);
  const shape = backend_util.computeOutShape(shapes, axis);
  return joined(
    native,
    backend,
    parts,
    parts.map((part) => part.shape),
    axis,
    shape,
  );
});

/** `tf.stack` */
export const pack = nativeKernel(Pack, ({ inputs, attrs, backend, native }): TensorInfo | null => {
  const parts = inputs as unknown as readonly TensorInfo[];
  const first = parts[0] as TensorInfo;
  if (!parts.every((part) => hasFourByteElements(part) && part.dtype === first.dtype)) return null;
  for (const part of parts) {
    util.assertShapesMatch(first.shape, part.shape, 'All tensors passed to stack must have matching shapes');
  }
  const axis = attrs.axis as number; // tfjs's op has resolved negative axes
  const one = [...first.shape.slice(0, axis), 1, ...first.shape.slice(axis)];
  const shape = one.map((extent, d) => (d === axis ? parts.length : extent));
  return joined(
    native,
    backend,
    parts,
    parts.map(() => one),
    axis,
    shape,
  );
});
