import type { TensorInfo } from '@tensorflow/tfjs-core';
import { UnsortedSegmentSum, util } from '@tensorflow/tfjs-core';
import { unsortedSegmentSum as addRows } from '../composed/unsorted-segment-sum';
import { wasmKernel } from '../wasm-kernel';

type Numbers = Float32Array | Int32Array | Uint8Array;

/** The gradient of `tf.gather`. x `[rows.., inner..]`, segmentIds `[rows..]` -> `[numSegments, inner..]`. */
export const unsortedSegmentSum = wasmKernel(UnsortedSegmentSum, ({ inputs, attrs, backend }) => {
  const { x, segmentIds } = inputs as { x: TensorInfo; segmentIds: TensorInfo };
  const numSegments = attrs.numSegments as number;
  const idsRank = segmentIds.shape.length;
  util.assertShapesMatch(x.shape.slice(0, idsRank), segmentIds.shape, `${UnsortedSegmentSum}: segmentIds: `);
  const out = backend.makeOutput([numSegments, ...x.shape.slice(idsRank)], x.dtype);
  const heap = (info: TensorInfo) => backend.typedArrayFromHeap(info) as Numbers;
  addRows(heap(x), heap(segmentIds), heap(out), numSegments);
  return out;
});
