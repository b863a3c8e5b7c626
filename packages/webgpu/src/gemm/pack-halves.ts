import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { i32, run } from '../program';
import { PARTS, scaleFor } from './magnitudes';

const WORKGROUP = 256;
/** Eights that a thread packs: finding the scale is then a small part of its work. */
const KEPT = 4;

/** The largest magnitudes of parts of two tensors (`magnitudes`), and which of the two this is. */
export type Peaks = { readonly magnitudes: TensorInfo; readonly of: 'left' | 'right' };

/**
 * A tensor of float32 as halves, two in the place of one number: half the bytes, for products whose tiles read each value
 * many times. With `peaks` the values are scaled by a power of two first, as `mixedShader` scales what it reads.
 * @param tensor of a multiple of eight values.
 * @returns `[size / 2]`, which holds no numbers that other kernels could read. Owned by the caller.
 */
export function packHalves(backend: WebGPUBackend, tensor: TensorInfo, peaks?: Peaks): TensorInfo {
  const size = util.sizeFromShape(tensor.shape);
  const eights = size / 8;
  const peak = peaks?.of === 'left' ? 'x' : 'y';
  return run(backend, {
    key: `pack_halves_${peaks ? peak : ''}`,
    inputs: { values: tensor, ...(peaks && { magnitudes: peaks.magnitudes }) },
    vectors: ['values', 'result'],
    outputShape: [size / 2],
    numbers: { eights: i32(eights) },
    workgroups: Math.ceil(eights / (WORKGROUP * KEPT)),
    workgroupSize: WORKGROUP,
    declarations: peaks
      ? `${scaleFor}
        var<workgroup> peaks : array<f32, ${WORKGROUP}>;`
      : '',
    code: `
      ${
        peaks
          ? `peaks[lane] = magnitudes[2 * min(lane, ${PARTS - 1}) + ${peak === 'x' ? 0 : 1}];
            workgroupBarrier();
            for (var width = ${WORKGROUP / 2}; width > 0; width = width / 2) {
              if (lane < width) { peaks[lane] = max(peaks[lane], peaks[lane + width]); }
              workgroupBarrier();
            }
            let scale = scaleFor(peaks[0]);`
          : 'let scale = 1.0;'
      }
      for (var i = 0; i < ${KEPT}; i = i + 1) {
        let at = group * ${WORKGROUP * KEPT} + i * ${WORKGROUP} + lane;
        if (at < uniforms.eights) {
          let first = scale * values[2 * at];
          let second = scale * values[2 * at + 1];
          result[at] = bitcast<vec4<f32>>(vec4<u32>(
            pack2x16float(first.xy), pack2x16float(first.zw), pack2x16float(second.xy), pack2x16float(second.zw)));
        }
      }`,
  });
}
