import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { type GroupNormAttributes, type NormInputs, sumOverImages } from './group-norm-parts';
import { f32, i32, run } from './program';
import { siluWgsl } from './silu';

/** Threads that share a block of pixels, and those that share a group of channels when blocks are put together. */
const WORKGROUP = 256;
const SMALL_WORKGROUP = 64;
/** Quads of channels that a workgroup takes at most. */
const MAX_COLUMNS = 64;
/** Pixels of a thread, where that makes workgroups enough; blocks of an image at most. */
const PIXELS_PER_THREAD = 16;
const ENOUGH_WORKGROUPS = 1024;
const MAX_BLOCKS = 256;
/** Values up to which a workgroup for each group, in one dispatch, is as good. */
const MOST_IN_ONE = 2 ** 18;

/**
 * Whether this way of normalizing is for a tensor. Groups are few channels of each pixel, a fraction of what memory gives
 * at once; so a workgroup takes all channels of a block of pixels instead, four channels a thread, and other kernels put
 * the blocks together. Nothing depends on the order in which workgroups run.
 */
export const hasBlocks = ({ shape }: TensorInfo): boolean =>
  (shape[3] as number) % 4 === 0 && util.sizeFromShape([...shape]) > MOST_IN_ONE;

/** How images are cut into blocks: `columns` x `rows` threads, a column for each quad of channels. */
function cut(x: TensorInfo, { groups }: GroupNormAttributes) {
  const [batch = 1, h = 1, w = 1, channels = 1] = x.shape;
  const [pixels, quads] = [h * w, channels / 4];
  const tiles = Math.ceil(quads / MAX_COLUMNS);
  const columns = Math.ceil(quads / tiles);
  const rows = Math.floor(WORKGROUP / columns);
  const wanted = Math.max(pixels / (rows * PIXELS_PER_THREAD), ENOUGH_WORKGROUPS / (batch * tiles));
  const most = Math.min(MAX_BLOCKS, pixels / rows);
  const span = Math.ceil(pixels / Math.max(1, Math.ceil(Math.min(wanted, most))));
  const blocks = Math.ceil(pixels / span);
  const sizes = {
    batch,
    pixels,
    quads,
    channels,
    groups,
    width: channels / groups,
    columns,
    rows,
    tiles,
    span,
    blocks,
  };
  return {
    ...sizes,
    numbers: Object.fromEntries(Object.entries(sizes).map(([name, value]) => [name, i32(value)])),
  };
}
type Cut = ReturnType<typeof cut>;

/** WGSL: the block and the quad of channels of a thread, `isOwn` if it has one; and a walk over its pixels. */
const OWN = `
  let image = min(group / (uniforms.tiles * uniforms.blocks), uniforms.batch - 1);
  let block = (group / uniforms.tiles) % uniforms.blocks;
  let column = lane % uniforms.columns;
  let row = lane / uniforms.columns;
  let ownQuad = (group % uniforms.tiles) * uniforms.columns + column;
  let quad = min(ownQuad, uniforms.quads - 1);
  let isOwn = group < uniforms.tiles * uniforms.blocks * uniforms.batch && row < uniforms.rows && ownQuad < uniforms.quads;
  let end = select(0, min((block + 1) * uniforms.span, uniforms.pixels), isOwn);`;
const eachPixel = (body: string) => `
  for (var pixel = block * uniforms.span + row; pixel < end; pixel = pixel + uniforms.rows) {
    let at = (image * uniforms.pixels + pixel) * uniforms.quads + quad;
    ${body}
  }`;
/** WGSL: where the two vectors of a block and quad are written. */
const BLOCK_TARGET = 'let at = ((image * uniforms.blocks + block) * uniforms.quads + quad) * 2;';
/** WGSL: mean and 1 / deviation of the group of each of the four channels. */
const OWN_STATISTICS = `
  let ownGroups = image * uniforms.groups + (4 * quad + vec4<i32>(0, 1, 2, 3)) / uniforms.width;
  let statsX = stats[ownGroups.x]; let statsY = stats[ownGroups.y];
  let statsZ = stats[ownGroups.z]; let statsW = stats[ownGroups.w];
  let mean = vec4<f32>(statsX.x, statsY.x, statsZ.x, statsW.x);
  let r = vec4<f32>(statsX.y, statsY.y, statsZ.y, statsW.y);`;

/**
 * WGSL: number, mean and sum of squared deviations of values, and those of two sets of values together (Chan et al. 1979):
 * as exact as a second pass over the centred values.
 */
const momentsWgsl = (type: 'f32' | 'vec4<f32>') => `
  struct Moments { count : f32, mean : ${type}, squares : ${type} }
  fn together(a : Moments, b : Moments) -> Moments {
    let count = a.count + b.count;
    let share = b.count / max(count, 1.0);
    let change = b.mean - a.mean;
    return Moments(count, a.mean + share * change, a.squares + b.squares + a.count * share * change * change);
  }`;

/** Mean and squared deviations of each block and channel. `[N, H, W, C]` -> `[N, blocks, C / 4, 2, 4]` */
function momentsOfBlocks(backend: WebGPUBackend, x: TensorInfo, { numbers, ...sizes }: Cut): TensorInfo {
  return run(backend, {
    key: 'group_norm_block_moments',
    inputs: { x },
    vectors: ['x', 'result'],
    outputShape: [sizes.batch, sizes.blocks, sizes.quads, 2, 4],
    numbers,
    workgroups: sizes.batch * sizes.blocks * sizes.tiles,
    workgroupSize: WORKGROUP,
    declarations: `${momentsWgsl('vec4<f32>')}
      var<workgroup> moments : array<Moments, ${WORKGROUP}>;`,
    code: `
      ${OWN}
      var own = Moments();
      ${eachPixel(`
        own.count = own.count + 1.0;
        let value = x[at];
        let change = value - own.mean;
        own.mean = own.mean + change * (1.0 / own.count);
        own.squares = own.squares + change * (value - own.mean);`)}
      moments[lane] = own;
      workgroupBarrier();
      if (isOwn && row == 0) {
        for (var other = 1; other < uniforms.rows; other = other + 1) {
          own = together(own, moments[other * uniforms.columns + column]);
        }
        ${BLOCK_TARGET}
        result[at] = own.mean;
        result[at + 1] = own.squares;
      }`,
  });
}

/** Mean, 1 / deviation and two zeros for each image and group: `[N, groups, 4]`. */
function statisticsOfGroups(backend: WebGPUBackend, x: TensorInfo, sizes: Cut, eps: number): TensorInfo {
  const moments = momentsOfBlocks(backend, x, sizes);
  const { batch, groups, numbers } = sizes;
  const stats = run(backend, {
    key: 'group_norm_group_statistics',
    inputs: { moments },
    vectors: ['result'],
    outputShape: [batch, groups, 4],
    numbers: { ...numbers, eps: f32(eps) },
    workgroups: batch * groups,
    workgroupSize: SMALL_WORKGROUP,
    declarations: `${momentsWgsl('f32')}
      var<workgroup> parts : array<Moments, ${SMALL_WORKGROUP}>;`,
    code: `
      let image = min(group / uniforms.groups, uniforms.batch - 1);
      let first = (group % uniforms.groups) * uniforms.width;
      var own = Moments();
      for (var i = lane; i < uniforms.width * uniforms.blocks; i = i + ${SMALL_WORKGROUP}) {
        let block = i / uniforms.width;
        let channel = first + i % uniforms.width;
        let at = ((image * uniforms.blocks + block) * uniforms.quads + channel / 4) * 8 + channel % 4;
        let count = min(uniforms.span, uniforms.pixels - block * uniforms.span);
        own = together(own, Moments(f32(count), moments[at], moments[at + 4]));
      }
      parts[lane] = own;
      workgroupBarrier();
      for (var half = ${SMALL_WORKGROUP / 2}; half > 0; half = half / 2) {
        if (lane < half) { parts[lane] = together(parts[lane], parts[lane + half]); }
        workgroupBarrier();
      }
      if (lane == 0 && group < uniforms.groups * uniforms.batch) {
        let all = parts[0];
        result[group] = vec4<f32>(all.mean, 1.0 / sqrt(all.squares / all.count + uniforms.eps), 0.0, 0.0);
      }`,
  });
  backend.disposeData(moments.dataId);
  return stats;
}

/** `GroupNorm` of a large tensor, in three dispatches: moments of blocks, statistics of groups, values. */
export function groupNormOfBlocks(
  backend: WebGPUBackend,
  { x, scale, shift }: NormInputs,
  attributes: GroupNormAttributes,
): TensorInfo {
  const { silu, eps } = attributes;
  const sizes = cut(x, attributes);
  const stats = statisticsOfGroups(backend, x, sizes, eps);
  const y = run(backend, {
    key: `group_norm_values_${silu}`,
    inputs: { x, scale, shift, stats },
    vectors: ['x', 'scale', 'shift', 'stats', 'result'],
    outputShape: x.shape,
    numbers: sizes.numbers,
    workgroups: sizes.batch * sizes.blocks * sizes.tiles,
    workgroupSize: WORKGROUP,
    declarations: siluWgsl('vec4<f32>'),
    code: `
      ${OWN}
      ${OWN_STATISTICS}
      let factor = scale[quad];
      let offset = shift[quad];
      ${eachPixel(`
        let z = (x[at] - mean) * r * factor + offset;
        result[at] = ${silu ? 'silu(z)' : 'z'};`)}`,
  });
  backend.disposeData(stats.dataId);
  return y;
}

type GradInputs = NormInputs & { readonly dy: TensorInfo };

/** WGSL: xHat and dz of a pixel. */
const pixelGradient = (silu: boolean) => `
  let xHat = (x[at] - mean) * r;
  let dz = dy[at]${silu ? ' * siluSlope(xHat * factor + shift[quad])' : ''};`;

/**
 * For each image and channel: the sums over pixels of dz xHat and of dz, and the group's means of dz scale xHat and of
 * dz scale, in two dispatches. @returns `[N, C, 4]`
 */
function gradientSums(
  backend: WebGPUBackend,
  { x, scale, shift, dy }: GradInputs,
  stats: TensorInfo,
  { sizes, silu }: { readonly sizes: Cut; readonly silu: boolean },
): TensorInfo {
  const { batch, blocks, quads, tiles, groups, channels, numbers } = sizes;
  const inputs: Record<string, TensorInfo> = silu ? { x, scale, shift, dy, stats } : { x, dy, stats }; // every input must be read
  const sumsOfBlocks = run(backend, {
    key: `group_norm_block_sums_${silu}`,
    inputs,
    vectors: [...Object.keys(inputs), 'result'],
    outputShape: [batch, blocks, quads, 2, 4],
    numbers,
    workgroups: batch * blocks * tiles,
    workgroupSize: WORKGROUP,
    declarations: `${siluWgsl('vec4<f32>')}
      struct Sums { dzXHat : vec4<f32>, dz : vec4<f32> }
      var<workgroup> sums : array<Sums, ${WORKGROUP}>;`,
    code: `
      ${OWN}
      ${OWN_STATISTICS}
      ${silu ? 'let factor = scale[quad];' : ''}
      var own = Sums();
      ${eachPixel(`
        ${pixelGradient(silu)}
        own.dzXHat = own.dzXHat + dz * xHat;
        own.dz = own.dz + dz;`)}
      sums[lane] = own;
      workgroupBarrier();
      if (isOwn && row == 0) {
        for (var other = 1; other < uniforms.rows; other = other + 1) {
          let more = sums[other * uniforms.columns + column];
          own.dzXHat = own.dzXHat + more.dzXHat;
          own.dz = own.dz + more.dz;
        }
        ${BLOCK_TARGET}
        result[at] = own.dzXHat;
        result[at + 1] = own.dz;
      }`,
  });
  const sums = run(backend, {
    key: 'group_norm_channel_sums',
    inputs: { blockSums: sumsOfBlocks, scale },
    vectors: ['result'],
    outputShape: [batch, channels, 4],
    numbers,
    workgroups: batch * groups,
    workgroupSize: SMALL_WORKGROUP,
    declarations: `
      var<workgroup> parts : array<vec2<f32>, ${SMALL_WORKGROUP}>;
      fn sumsOf(image : i32, channel : i32) -> vec2<f32> {
        var total = vec2<f32>(0.0);
        for (var block = 0; block < uniforms.blocks; block = block + 1) {
          let at = ((image * uniforms.blocks + block) * uniforms.quads + channel / 4) * 8 + channel % 4;
          total = total + vec2<f32>(blockSums[at], blockSums[at + 4]);
        }
        return total;
      }`,
    code: `
      let image = min(group / uniforms.groups, uniforms.batch - 1);
      let first = image * uniforms.channels + (group % uniforms.groups) * uniforms.width;
      var own = vec2<f32>(0.0);
      for (var i = lane; i < uniforms.width; i = i + ${SMALL_WORKGROUP}) {
        let channel = (first + i) % uniforms.channels;
        own = own + scale[channel] * sumsOf(image, channel);
      }
      parts[lane] = own;
      workgroupBarrier();
      for (var half = ${SMALL_WORKGROUP / 2}; half > 0; half = half / 2) {
        if (lane < half) { parts[lane] = parts[lane] + parts[lane + half]; }
        workgroupBarrier();
      }
      let means = parts[0] / f32(uniforms.width * uniforms.pixels);
      if (group < uniforms.groups * uniforms.batch) {
        for (var i = lane; i < uniforms.width; i = i + ${SMALL_WORKGROUP}) {
          result[first + i] = vec4<f32>(sumsOf(image, (first + i) % uniforms.channels), means);
        }
      }`,
  });
  backend.disposeData(sumsOfBlocks.dataId);
  return sums;
}

/** dx = r (dz scale - mean(dz scale) - xHat mean(dz scale xHat)), r = 1 / deviation, means over the group. */
function inputGradient(
  backend: WebGPUBackend,
  { x, scale, shift, dy }: GradInputs,
  { stats, sums }: { readonly stats: TensorInfo; readonly sums: TensorInfo },
  { sizes, silu }: { readonly sizes: Cut; readonly silu: boolean },
): TensorInfo {
  const inputs: Record<string, TensorInfo> = silu
    ? { x, scale, shift, dy, stats, sums }
    : { x, scale, dy, stats, sums };
  return run(backend, {
    key: `group_norm_block_dx_${silu}`,
    inputs,
    vectors: [...Object.keys(inputs), 'result'],
    outputShape: x.shape,
    numbers: sizes.numbers,
    workgroups: sizes.batch * sizes.blocks * sizes.tiles,
    workgroupSize: WORKGROUP,
    declarations: siluWgsl('vec4<f32>'),
    code: `
      ${OWN}
      ${OWN_STATISTICS}
      let factor = scale[quad];
      let channel = image * uniforms.channels + 4 * quad;
      let sumsX = sums[channel]; let sumsY = sums[channel + 1];
      let sumsZ = sums[channel + 2]; let sumsW = sums[channel + 3];
      let meanGXHat = vec4<f32>(sumsX.z, sumsY.z, sumsZ.z, sumsW.z);
      let meanG = vec4<f32>(sumsX.w, sumsY.w, sumsZ.w, sumsW.w);
      ${eachPixel(`
        ${pixelGradient(silu)}
        result[at] = r * (dz * factor - meanG - xHat * meanGXHat);`)}`,
  });
}

/** `GroupNormGrad` of a large tensor, in seven dispatches: statistics, sums of blocks and channels, each gradient. */
export function groupNormGradOfBlocks(
  backend: WebGPUBackend,
  inputs: GradInputs,
  attributes: GroupNormAttributes,
): TensorInfo[] {
  const { silu, eps } = attributes;
  const sizes = cut(inputs.x, attributes);
  const stats = statisticsOfGroups(backend, inputs.x, sizes, eps);
  const sums = gradientSums(backend, inputs, stats, { sizes, silu });
  const gradients = [
    inputGradient(backend, inputs, { stats, sums }, { sizes, silu }),
    sumOverImages(backend, sums, 0),
    sumOverImages(backend, sums, 1),
  ];
  for (const { dataId } of [stats, sums]) backend.disposeData(dataId);
  return gradients;
}
