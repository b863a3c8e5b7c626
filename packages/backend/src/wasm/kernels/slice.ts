import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { backend_util, Slice, SplitV, slice_util, Unpack, util } from '@tensorflow/tfjs-core';
import { addressOf, type NativeLibrary } from '../native/library';
import { denseStrides, stridedCopy } from '../native/strided-copy';
import { hasFourByteElements, nativeKernel } from '../wasm-kernel';

function sliced(
  native: NativeLibrary,
  backend: BackendWasm,
  x: TensorInfo,
  begin: readonly number[],
  size: readonly number[],
  shape: readonly number[] = size,
): TensorInfo {
  const out = backend.makeOutput([...shape], x.dtype);
  const from = denseStrides(x.shape);
  const first = from.reduce((sum, stride, d) => sum + stride * (begin[d] as number), 0);
  stridedCopy(native, addressOf(backend, out), addressOf(backend, x) + 4 * first, size, from, denseStrides(size));
  return out;
}

/** `tf.slice`; tfjs's copies the whole of x first. */
export const slice = nativeKernel(Slice, ({ inputs, attrs, backend, native }): TensorInfo | null => {
  const { x } = inputs as { x: TensorInfo };
  if (!hasFourByteElements(x)) return null;
  const [begin, size] = slice_util.parseSliceParams(x, attrs.begin as number[], attrs.size as number[]);
  slice_util.assertParamsValid(x, begin, size);
  return sliced(native, backend, x, begin, size);
});

/** `tf.split` */
export const splitV = nativeKernel(SplitV, ({ inputs, attrs, backend, native }): TensorInfo[] | null => {
  const { x } = inputs as { x: TensorInfo };
  if (!hasFourByteElements(x)) return null;
  const [axis] = util.parseAxisParam(attrs.axis as number, x.shape) as [number];
  const sizes = backend_util.prepareSplitSize(
    x as Parameters<typeof backend_util.prepareSplitSize>[0],
    attrs.numOrSizeSplits as number[],
    axis,
  );
  let at = 0;
  return sizes.map((extent) => {
    const begin = x.shape.map((_, d) => (d === axis ? at : 0));
    const size = x.shape.map((whole, d) => (d === axis ? extent : whole));
    at += extent;
    return sliced(native, backend, x, begin, size);
  });
});

/** `tf.unstack`, and the gradient of `tf.stack` */
export const unpack = nativeKernel(Unpack, ({ inputs, attrs, backend, native }): TensorInfo[] | null => {
  const { value } = inputs as { value: TensorInfo };
  if (!hasFourByteElements(value)) return null;
  const [axis] = util.parseAxisParam(attrs.axis as number, value.shape) as [number];
  const size = value.shape.map((whole, d) => (d === axis ? 1 : whole));
  const shape = value.shape.filter((_, d) => d !== axis);
  return Array.from({ length: value.shape[axis] as number }, (_, at) =>
    sliced(
      native,
      backend,
      value,
      value.shape.map((_, d) => (d === axis ? at : 0)),
      size,
      shape,
    ),
  );
});
