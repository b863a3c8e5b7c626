import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { i32, run } from '../program';

const WORKGROUP = 256;
const GROUPS = 128;

/** WGSL: the largest of `mine` over the workgroup. */
const LARGEST = `
  var<workgroup> peaks : array<vec2<f32>, ${WORKGROUP}>;
  fn largest(lane : i32, mine : vec2<f32>) -> vec2<f32> {
    peaks[lane] = mine;
    workgroupBarrier();
    for (var width = ${WORKGROUP / 2}; width > 0; width = width / 2) {
      if (lane < width) { peaks[lane] = max(peaks[lane], peaks[lane + width]); }
      workgroupBarrier();
    }
    return peaks[0];
  }`;

/** Which operands of a product are scaled. */
export type Scaled = 'left' | 'right' | 'both';

/**
 * The largest magnitudes of two tensors, or zero for the one that is not asked for, in two dispatches.
 * @returns `[2]`, owned by the caller.
 */
export function magnitudes(backend: WebGPUBackend, left: TensorInfo, right: TensorInfo, of: Scaled): TensorInfo {
  const operands = { ...(of !== 'right' && { left }), ...(of !== 'left' && { right }) };
  const numbers = Object.entries(operands).map(
    ([name, { shape }]) => [`${name}Size`, i32(util.sizeFromShape(shape))] as const,
  );
  const search = Object.keys(operands).map((name) => {
    const peak = `mine.${name === 'left' ? 'x' : 'y'}`;
    return `for (var i = index; i < uniforms.${name}Size; i = i + ${GROUPS * WORKGROUP}) { ${peak} = max(${peak}, abs(${name}[i])); }`;
  });
  const perGroup = run(backend, {
    key: `magnitudes_${of}`,
    inputs: operands,
    outputShape: [GROUPS, 2],
    numbers: Object.fromEntries(numbers),
    workgroups: GROUPS,
    workgroupSize: WORKGROUP,
    declarations: LARGEST,
    code: `
      var mine = vec2<f32>();
      ${search.join('\n')}
      let peak = largest(lane, mine);
      if (lane == 0) { result[group * 2] = peak.x; result[group * 2 + 1] = peak.y; }`,
  });
  const both = run(backend, {
    key: 'magnitudes_of_groups',
    inputs: { perGroup },
    outputShape: [2],
    numbers: { groups: i32(GROUPS) }, // read, or WebGPU leaves the uniforms out of the layout
    workgroups: 1,
    workgroupSize: WORKGROUP,
    declarations: LARGEST,
    code: `
      var mine = vec2<f32>();
      if (lane < uniforms.groups) { mine = vec2<f32>(perGroup[lane * 2], perGroup[lane * 2 + 1]); }
      let peak = largest(lane, mine);
      if (lane == 0) { result[0] = peak.x; result[1] = peak.y; }`,
  });
  backend.disposeData(perGroup.dataId);
  return both;
}
