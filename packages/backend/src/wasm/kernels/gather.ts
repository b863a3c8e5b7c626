import type { TensorInfo } from '@tensorflow/tfjs-core';
import { backend_util, GatherV2, UnsortedSegmentSum, util } from '@tensorflow/tfjs-core';
import { unsortedSegmentSum as addRows } from '../composed/unsorted-segment-sum';
import { addressOf } from '../native/library';
import { hasFourByteElements, nativeKernel, wasmKernel } from '../wasm-kernel';

type Numbers = Float32Array | Int32Array | Uint8Array;

/** `tf.gather` without batch dimensions. @throws Error if an index is out of range. */
export const gatherV2 = nativeKernel(GatherV2, ({ inputs, attrs, backend, native }): TensorInfo | null => {
  const { x, indices } = inputs as { x: TensorInfo; indices: TensorInfo };
  const { axis, batchDims } = attrs as { axis: number; batchDims: number };
  if (!hasFourByteElements(x) || indices.dtype !== 'int32' || batchDims !== 0) return null;
  const [parsedAxis] = util.parseAxisParam(axis, x.shape) as [number];
  const { outerSize, dimSize, sliceSize, outputShape } = backend_util.segment_util.collectGatherOpShapeInfo(
    x as Parameters<typeof backend_util.segment_util.collectGatherOpShapeInfo>[0],
    indices as Parameters<typeof backend_util.segment_util.collectGatherOpShapeInfo>[1],
    parsedAxis,
    batchDims,
  );
  const values = backend.typedArrayFromHeap(indices) as Int32Array;
  for (const index of values) {
    util.assert(
      index >= 0 && index < dimSize,
      () => `GatherV2: the index value ${index} is not in [0, ${dimSize - 1}]`,
    );
  }
  const count = values.length;
  const out = backend.makeOutput(outputShape, x.dtype);
  const [to, from, at] = [addressOf(backend, out), addressOf(backend, x), addressOf(backend, indices)];
  const row = 4 * sliceSize;
  for (let outer = 0; outer < outerSize; outer++) {
    native.functions.gatherRows(to + outer * count * row, from + outer * dimSize * row, at, count, row);
  }
  return out;
});

/**
 * `tf.unsortedSegmentSum`, the gradient of `tf.gather`: adds the rows of x whose segment is s into row s.
 * x `[rows.., inner..]`, segmentIds `[rows..]` -> `[numSegments, inner..]`; other segments are dropped.
 */
export const unsortedSegmentSum = wasmKernel(UnsortedSegmentSum, ({ inputs, attrs, backend, native }): TensorInfo => {
  const { x, segmentIds } = inputs as { x: TensorInfo; segmentIds: TensorInfo };
  const numSegments = attrs.numSegments as number;
  const idsRank = segmentIds.shape.length;
  util.assertShapesMatch(x.shape.slice(0, idsRank), segmentIds.shape, `${UnsortedSegmentSum}: segmentIds: `);
  const out = backend.makeOutput([numSegments, ...x.shape.slice(idsRank)], x.dtype);
  if (native !== null && x.dtype === 'float32' && segmentIds.dtype === 'int32') {
    native.functions.scatterAddRows(
      ...([addressOf(backend, out), addressOf(backend, x), addressOf(backend, segmentIds)] as const),
      util.sizeFromShape(segmentIds.shape),
      numSegments,
      util.sizeFromShape(x.shape.slice(idsRank)),
    );
  } else {
    const heap = (info: TensorInfo) => backend.typedArrayFromHeap(info) as Numbers;
    addRows(heap(x), heap(segmentIds), heap(out), numSegments);
  }
  return out;
});
