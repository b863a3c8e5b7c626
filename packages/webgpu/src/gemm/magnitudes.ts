import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { i32, run } from '../program';

const WORKGROUP = 256;
/** Parts of the tensors, a workgroup each: enough to keep memory busy, and few to be read by each workgroup of a product. */
export const PARTS = 256;
const STRIDE = PARTS * WORKGROUP;

/** Which operands of a product are scaled. */
export type Scaled = 'left' | 'right' | 'both';

/**
 * The largest magnitudes of parts of two tensors, or zero for the one that is not asked for, in one dispatch. Their largest
 * are for the reader to find: a dispatch for it alone takes longer.
 * @returns `[PARTS, 2]`, owned by the caller.
 */
export function magnitudes(backend: WebGPUBackend, left: TensorInfo, right: TensorInfo, of: Scaled): TensorInfo {
  const operands = { ...(of !== 'right' && { left }), ...(of !== 'left' && { right }) };
  const sizes = Object.entries(operands).map(([name, { shape }]) => {
    const size = util.sizeFromShape(shape);
    return size % 4 === 0 ? { name, count: size / 4, isVector: true } : { name, count: size, isVector: false };
  });
  const vectors = sizes.filter(({ isVector }) => isVector).map(({ name }) => name);
  const search = sizes.map(({ name, isVector }) => {
    const peak = `mine.${name === 'left' ? 'x' : 'y'}`;
    const at = (i: string) => `${isVector ? 'largestOf' : 'abs'}(${name}[${i}])`;
    // two reads on their way at once; past the end, the last value again
    return `
      for (var i = index; i < uniforms.${name}Count; i = i + ${2 * STRIDE}) {
        let next = min(i + ${STRIDE}, uniforms.${name}Count - 1);
        ${peak} = max(${peak}, max(${at('i')}, ${at('next')}));
      }`;
  });
  return run(backend, {
    key: ['magnitudes', of, ...vectors].join('_'),
    inputs: operands,
    vectors,
    outputShape: [PARTS, 2],
    numbers: Object.fromEntries(sizes.map(({ name, count }) => [`${name}Count`, i32(count)])),
    workgroups: PARTS,
    workgroupSize: WORKGROUP,
    declarations: `
      fn largestOf(values : vec4<f32>) -> f32 {
        let pair = max(abs(values.xy), abs(values.zw));
        return max(pair.x, pair.y);
      }
      var<workgroup> peaks : array<vec2<f32>, ${WORKGROUP}>;`,
    code: `
      var mine = vec2<f32>();
      ${search.join('')}
      peaks[lane] = mine;
      workgroupBarrier();
      for (var width = ${WORKGROUP / 2}; width > 0; width = width / 2) {
        if (lane < width) { peaks[lane] = max(peaks[lane], peaks[lane + width]); }
        workgroupBarrier();
      }
      if (lane == 0) { result[group * 2] = peaks[0].x; result[group * 2 + 1] = peaks[0].y; }`,
  });
}
