import { SPECTRAL_POWER_GRAD_KERNEL, SPECTRAL_POWER_KERNEL } from '@sd/spectral-loss';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { f32, i32, run, type WebGPUKernel } from './program';

const WORKGROUP = 256;
/** Frequencies for a thread to sum, and workgroups that sum them, at most. */
const TERMS = 16;
const MAX_GROUPS = 512;

type Inputs = { readonly spectrum: TensorInfo; readonly weight: TensorInfo; readonly dy: TensorInfo };

/** WGSL: the weight of a frequency of half a spectrum, with that of its mirror image, (-u, -v), where this is left out. */
const WEIGHT = `
  fn weightOf(column : i32, u : i32) -> f32 {
    let v = column % uniforms.columns;
    let plane = column / uniforms.columns;
    let image = select(0, plane / uniforms.channels, uniforms.images > 1) * uniforms.height;
    let channel = select(0, plane % uniforms.channels, uniforms.weighed > 1);
    let own = weight[((image + u) * uniforms.width + v) * uniforms.weighed + channel];
    if (v == 0 || 2 * v == uniforms.width) { return own; }
    let mirror = (uniforms.height - u) % uniforms.height;
    return own + weight[((image + mirror) * uniforms.width + uniforms.width - v) * uniforms.weighed + channel];
  }`;
/** WGSL: where both parts of a frequency lie. */
const PLACE = `
  let column = pair / uniforms.height;
  let u = pair - column * uniforms.height;
  let re = column * 2 * uniforms.height + u;
  let im = re + uniforms.height;`;
const SUM = `
  sums[lane] = sum;
  workgroupBarrier();
  for (var half = ${WORKGROUP / 2}; half > 0; half = half / 2) {
    if (lane < half) { sums[lane] = sums[lane] + sums[lane + half]; }
    workgroupBarrier();
  }`;
const SUMS = `var<workgroup> sums : array<f32, ${WORKGROUP}>;`;

/** Numbers that say how spectrum and weight lie. */
function numbersOf({ spectrum, weight }: Pick<Inputs, 'spectrum' | 'weight'>) {
  const [, channels, columns, , height] = spectrum.shape as [number, number, number, number, number];
  const [images, , width, weighed] = weight.shape as [number, number, number, number];
  const pairs = util.sizeFromShape(spectrum.shape) / 2;
  const sizes = { channels, columns, height, width, images, weighed, pairs };
  const numbers = Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name, i32(size)]));
  return { pairs, numbers };
}

function total(backend: WebGPUBackend, parts: TensorInfo): TensorInfo {
  return run(backend, {
    key: 'spectral_power_total',
    inputs: { parts },
    outputShape: [1],
    numbers: { count: i32(parts.shape[0] as number) },
    workgroups: 1,
    workgroupSize: WORKGROUP,
    declarations: SUMS,
    code: `
      var sum = 0.0;
      for (var i = lane; i < uniforms.count; i = i + ${WORKGROUP}) { sum = sum + parts[i]; }
      ${SUM}
      if (index == 0) { result[0] = sums[0]; }`,
  });
}

/** {spectrum, weight} with {scale} -> the sum of w |F|^2. Partial sums are added in their order. */
export const spectralPower: WebGPUKernel = {
  kernelName: SPECTRAL_POWER_KERNEL,
  run: ({ inputs, attrs, backend }) => {
    const { spectrum, weight } = inputs as Inputs;
    const { pairs, numbers } = numbersOf({ spectrum, weight });
    const groups = Math.min(MAX_GROUPS, Math.ceil(pairs / (WORKGROUP * TERMS)));
    const parts = run(backend, {
      key: 'spectral_power',
      inputs: { spectrum, weight },
      outputShape: [groups],
      numbers: { ...numbers, stride: i32(groups * WORKGROUP), factor: f32(attrs.scale as number) },
      workgroups: groups,
      workgroupSize: WORKGROUP,
      declarations: `${SUMS} ${WEIGHT}`,
      code: `
        var sum = 0.0;
        for (var pair = index; pair < uniforms.pairs; pair = pair + uniforms.stride) {
          ${PLACE}
          sum = sum + weightOf(column, u) * (spectrum[re] * spectrum[re] + spectrum[im] * spectrum[im]);
        }
        ${SUM}
        if (lane == 0) { result[group] = uniforms.factor * sums[0]; }`,
    });
    if (groups === 1) return { ...parts, shape: [] };
    const sum = total(backend, parts);
    backend.disposeData(parts.dataId);
    return { ...sum, shape: [] };
  },
};

/** {spectrum, weight, dy} with {scale} -> 2 scale dy w F */
export const spectralPowerGrad: WebGPUKernel = {
  kernelName: SPECTRAL_POWER_GRAD_KERNEL,
  run: ({ inputs, attrs, backend }) => {
    const { spectrum, weight, dy } = inputs as Inputs;
    const { pairs, numbers } = numbersOf({ spectrum, weight });
    return run(backend, {
      key: 'spectral_power_grad',
      inputs: { spectrum, weight, dy },
      outputShape: spectrum.shape,
      numbers: { ...numbers, factor: f32(2 * (attrs.scale as number)) },
      workgroups: Math.ceil(pairs / WORKGROUP),
      workgroupSize: WORKGROUP,
      declarations: WEIGHT,
      code: `
        let pair = index;
        if (pair < uniforms.pairs) {
          ${PLACE}
          let gain = uniforms.factor * dy[0] * weightOf(column, u);
          result[re] = gain * spectrum[re];
          result[im] = gain * spectrum[im];
        }`,
    });
  },
};
