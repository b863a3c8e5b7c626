import { GROUP_NORM_GRAD_KERNEL, GROUP_NORM_KERNEL } from '@sd/nn';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { groupNormGradOfBlocks, groupNormOfBlocks, hasBlocks } from './group-norm-blocks';
import { type GroupNormAttributes as Attributes, type NormInputs, sumOverImages } from './group-norm-parts';
import { f32, i32, run, type WebGPUKernel } from './program';
import { SILU_WGSL } from './silu';

/** Threads that share a group of channels of one image. */
const WORKGROUP = 256;

/** One workgroup takes one group of one image: `pixels` x `width` values, `channels` apart. */
function sizes(x: TensorInfo, { groups, eps }: Attributes) {
  const [n = 1, h = 1, w = 1, channels = 1] = x.shape;
  const numbers = {
    pixels: i32(h * w),
    channels: i32(channels),
    width: i32(channels / groups),
    groups: i32(groups),
    eps: f32(eps),
  };
  return { batch: n, workgroups: n * groups, numbers };
}

/**
 * Sums over the workgroup, and mean and 1 / sqrt(var + eps) of its group. The variance is that of the centred values,
 * as in float64 references: the difference of two large means would lose float32's digits.
 */
const STATISTICS = `
  var<workgroup> partial : array<f32, ${WORKGROUP}>;

  fn groupSum(lane : i32, value : f32) -> f32 {
    workgroupBarrier();
    partial[lane] = value;
    workgroupBarrier();
    for (var half = ${WORKGROUP / 2}; half > 0; half = half / 2) {
      if (lane < half) { partial[lane] = partial[lane] + partial[lane + half]; }
      workgroupBarrier();
    }
    return partial[0];
  }

  fn offsetOf(group : i32, element : i32) -> i32 {
    let image = group / uniforms.groups;
    let pixel = element / uniforms.width;
    return (image * uniforms.pixels + pixel) * uniforms.channels
      + (group % uniforms.groups) * uniforms.width + element % uniforms.width;
  }

  fn statistics(group : i32, lane : i32) -> vec2<f32> {
    let count = uniforms.pixels * uniforms.width;
    var sum = 0.0;
    for (var i = lane; i < count; i = i + ${WORKGROUP}) { sum = sum + x[offsetOf(group, i)]; }
    let mean = groupSum(lane, sum) / f32(count);
    var squares = 0.0;
    for (var i = lane; i < count; i = i + ${WORKGROUP}) {
      let centred = x[offsetOf(group, i)] - mean;
      squares = squares + centred * centred;
    }
    return vec2<f32>(mean, 1.0 / sqrt(groupSum(lane, squares) / f32(count) + uniforms.eps));
  }`;

/** {x `[N, H, W, C]`, scale `[C]`, shift `[C]`} with {groups, eps, silu} -> y, in one dispatch; in three where the tensor is large. */
export const groupNorm: WebGPUKernel = {
  kernelName: GROUP_NORM_KERNEL,
  run: ({ inputs, attrs, backend }) => {
    const { x, scale, shift } = inputs as NormInputs;
    const attributes = attrs as Attributes;
    if (hasBlocks(x)) return groupNormOfBlocks(backend, { x, scale, shift }, attributes);
    const { workgroups, numbers } = sizes(x, attributes);
    return run(backend, {
      key: `group_norm_${attributes.silu}`,
      inputs: { x, scale, shift },
      outputShape: x.shape,
      numbers,
      workgroups,
      workgroupSize: WORKGROUP,
      declarations: STATISTICS + SILU_WGSL,
      code: `
        let stats = statistics(group, lane);
        let count = uniforms.pixels * uniforms.width;
        for (var i = lane; i < count; i = i + ${WORKGROUP}) {
          let offset = offsetOf(group, i);
          let channel = offset % uniforms.channels;
          let z = (x[offset] - stats.x) * stats.y * scale[channel] + shift[channel];
          result[offset] = ${attributes.silu ? 'silu(z)' : 'z'};
        }`,
    });
  },
};

/**
 * For each image and channel: the sums over pixels of dz xHat and of dz, the group's mean and 1 / deviation.
 * @returns `[N, C, 4]`
 */
function channelSums(
  backend: WebGPUBackend,
  { x, scale, shift, dy }: NormInputs & { readonly dy: TensorInfo },
  attributes: Attributes,
): TensorInfo {
  const { batch, workgroups, numbers } = sizes(x, attributes);
  return run(backend, {
    key: `group_norm_sums_${attributes.silu}`,
    inputs: attributes.silu ? { x, scale, shift, dy } : { x, dy }, // every input must be read
    outputShape: [batch, x.shape[3] as number, 4],
    numbers,
    workgroups,
    workgroupSize: WORKGROUP,
    declarations: `${STATISTICS}${SILU_WGSL}
      var<workgroup> sums : array<vec2<f32>, ${WORKGROUP}>;`,
    // Threads of one column share a channel: the lanes are rows x columns, columns at most the group's width.
    code: `
      let stats = statistics(group, lane);
      let columns = min(uniforms.width, ${WORKGROUP});
      let rows = ${WORKGROUP} / columns;
      let column = lane % columns;
      let row = lane / columns;
      for (var first = 0; first < uniforms.width; first = first + columns) {
        let own = first + column;
        var sum = vec2<f32>(0.0, 0.0);
        if (row < rows && own < uniforms.width) {
          for (var pixel = row; pixel < uniforms.pixels; pixel = pixel + rows) {
            let offset = offsetOf(group, pixel * uniforms.width + own);
            let channel = offset % uniforms.channels;
            let xHat = (x[offset] - stats.x) * stats.y;
            let dz = dy[offset]${attributes.silu ? ' * siluSlope(xHat * scale[channel] + shift[channel])' : ''};
            sum = sum + vec2<f32>(dz * xHat, dz);
          }
        }
        workgroupBarrier();
        sums[lane] = sum;
        workgroupBarrier();
        if (row == 0 && own < uniforms.width) {
          var total = vec2<f32>(0.0, 0.0);
          for (var r = 0; r < rows; r = r + 1) { total = total + sums[r * columns + column]; }
          let image = group / uniforms.groups;
          let channel = (group % uniforms.groups) * uniforms.width + own;
          let target_ = (image * uniforms.channels + channel) * 4;
          result[target_] = total.x;
          result[target_ + 1] = total.y;
          result[target_ + 2] = stats.x;
          result[target_ + 3] = stats.y;
        }
      }`,
  });
}

/** dx = r (dz scale - mean(dz scale) - xHat mean(dz scale xHat)), r = 1 / deviation, means over the group. */
function inputGradient(
  backend: WebGPUBackend,
  { x, scale, shift, dy }: NormInputs & { readonly dy: TensorInfo },
  sums: TensorInfo,
  attributes: Attributes,
): TensorInfo {
  const { workgroups, numbers } = sizes(x, attributes);
  return run(backend, {
    key: `group_norm_dx_${attributes.silu}`,
    inputs: attributes.silu ? { x, scale, shift, dy, sums } : { x, scale, dy, sums },
    outputShape: x.shape,
    numbers,
    workgroups,
    workgroupSize: WORKGROUP,
    declarations: STATISTICS + SILU_WGSL,
    code: `
      let image = group / uniforms.groups;
      let first = (group % uniforms.groups) * uniforms.width;
      var mine = vec2<f32>(0.0, 0.0);
      for (var i = lane; i < uniforms.width; i = i + ${WORKGROUP}) {
        let source = (image * uniforms.channels + first + i) * 4;
        mine = mine + scale[first + i] * vec2<f32>(sums[source], sums[source + 1]);
      }
      let count = uniforms.pixels * uniforms.width;
      let meanGXHat = groupSum(lane, mine.x) / f32(count);
      let meanG = groupSum(lane, mine.y) / f32(count);
      let mean = sums[(image * uniforms.channels + first) * 4 + 2];
      let r = sums[(image * uniforms.channels + first) * 4 + 3];
      for (var i = lane; i < count; i = i + ${WORKGROUP}) {
        let offset = offsetOf(group, i);
        let channel = offset % uniforms.channels;
        let xHat = (x[offset] - mean) * r;
        let dz = dy[offset]${attributes.silu ? ' * siluSlope(xHat * scale[channel] + shift[channel])' : ''};
        result[offset] = r * (dz * scale[channel] - meanG - xHat * meanGXHat);
      }`,
  });
}

/** {x, scale, shift, dy} with {groups, eps, silu} -> [dx, dscale, dshift], in four dispatches, seven where they are large. */
export const groupNormGrad: WebGPUKernel = {
  kernelName: GROUP_NORM_GRAD_KERNEL,
  run: ({ inputs, attrs, backend }) => {
    const tensors = inputs as NormInputs & { readonly dy: TensorInfo };
    const attributes = attrs as Attributes;
    if (hasBlocks(tensors.x)) return groupNormGradOfBlocks(backend, tensors, attributes);
    const sums = channelSums(backend, tensors, attributes);
    const gradients = [
      inputGradient(backend, tensors, sums, attributes),
      sumOverImages(backend, sums, 0),
      sumOverImages(backend, sums, 1),
    ];
    backend.disposeData(sums.dataId);
    return gradients;
  },
};
