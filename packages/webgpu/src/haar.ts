import {
  GATED_HAAR_DWT2D_KERNEL,
  GATED_HAAR_IDWT2D_KERNEL,
  HAAR_DWT2D_KERNEL,
  HAAR_GATE_GRAD_KERNEL,
  HAAR_IDWT2D_KERNEL,
} from '@sd/wavelet';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { i32, run, type WebGPUKernel } from './program';

const WORKGROUP = 256;
/** Channels whose sums a workgroup takes, side by side in memory. */
const COLUMNS = 16;

/** WGSL: LL, LH, HL, HH of a block [a b; c d]; its own inverse. */
const HAAR = `
  fn haar(v : vec4<f32>) -> vec4<f32> {
    let sums = vec2<f32>(v.x + v.y, v.z + v.w);
    let differences = vec2<f32>(v.x - v.y, v.z - v.w);
    return 0.5 * vec4<f32>(sums.x + sums.y, sums.x - sums.y, differences.x + differences.y, differences.x - differences.y);
  }`;

type Shape4 = [number, number, number, number];

/** Of an image: where a block's four pixels are. `block` counts over blocks and images. */
const blockOffset = (block: string, channel: string) => `
  let column = ${block} % uniforms.width;
  let pixel = ((${block} / uniforms.width) * 2 * (2 * uniforms.width) + 2 * column) * uniforms.channels + ${channel};
  let below = pixel + 2 * uniforms.width * uniforms.channels;`;
const readBlock = (x: string) => `
  vec4<f32>(${x}[pixel], ${x}[pixel + uniforms.channels], ${x}[below], ${x}[below + uniforms.channels])`;
const readBands = (x: string) => `
  vec4<f32>(${x}[band], ${x}[band + uniforms.channels], ${x}[band + 2 * uniforms.channels], ${x}[band + 3 * uniforms.channels])`;

/** One thread a block and channel, forward or back, with or without gates. */
function transform(
  backend: WebGPUBackend,
  x: TensorInfo,
  gates: TensorInfo | undefined,
  isForward: boolean,
): TensorInfo {
  const [n, rows, columns, depth] = x.shape as Shape4;
  const [height, width, channels] = isForward ? [rows / 2, columns / 2, depth] : [rows, columns, depth / 4];
  const outputShape = isForward ? [n, height, width, 4 * channels] : [n, 2 * height, 2 * width, channels];
  const perBand = gates?.shape[2] === 1;
  const gate = (b: number) =>
    perBand ? `gates[4 * image + ${b}]` : `gates[(4 * image + ${b}) * uniforms.channels + channel]`;
  const factors = gates ? `vec4<f32>(${[0, 1, 2, 3].map(gate).join(', ')})` : 'vec4<f32>(1.0)';
  return run(backend, {
    key: `haar_${isForward}_${gates ? (perBand ? 'band' : 'channel') : 'none'}`,
    inputs: gates ? { x, gates } : { x },
    outputShape,
    numbers: { height: i32(height), width: i32(width), channels: i32(channels) },
    workgroups: Math.ceil((n * height * width * channels) / WORKGROUP),
    workgroupSize: WORKGROUP,
    declarations: HAAR,
    code: `
      if (4 * index < uniforms.size) {
        let channel = index % uniforms.channels;
        let block = index / uniforms.channels;
        let image = block / (uniforms.width * uniforms.height);
        let band = block * 4 * uniforms.channels + channel;
        ${blockOffset('block', 'channel')}
        let factors = ${factors};
        ${
          isForward
            ? `let values = haar(${readBlock('x')}) * factors;
              for (var b = 0; b < 4; b = b + 1) { result[band + b * uniforms.channels] = values[b]; }`
            : `let values = haar(${readBands('x')} * factors);
              result[pixel] = values.x;
              result[pixel + uniforms.channels] = values.y;
              result[below] = values.z;
              result[below + uniforms.channels] = values.w;`
        }
      }`,
  });
}

/** {x `[N, H, W, C]`} -> `[N, H/2, W/2, 4C]`: LL, LH, HL, HH */
export const haarDwt2d: WebGPUKernel = {
  kernelName: HAAR_DWT2D_KERNEL,
  run: ({ inputs: { x }, backend }) => transform(backend, x as TensorInfo, undefined, true),
};

/** Its inverse. */
export const haarIdwt2d: WebGPUKernel = {
  kernelName: HAAR_IDWT2D_KERNEL,
  run: ({ inputs: { x }, backend }) => transform(backend, x as TensorInfo, undefined, false),
};

/** {x `[N, H, W, C]`, gates `[N, 4, G]`} -> gates DWT(x) */
export const gatedHaarDwt2d: WebGPUKernel = {
  kernelName: GATED_HAAR_DWT2D_KERNEL,
  run: ({ inputs: { x, gates }, backend }) => transform(backend, x as TensorInfo, gates, true),
};

/** {x `[N, H, W, 4C]`, gates `[N, 4, G]`} -> IDWT(gates x) */
export const gatedHaarIdwt2d: WebGPUKernel = {
  kernelName: GATED_HAAR_IDWT2D_KERNEL,
  run: ({ inputs: { x, gates }, backend }) => transform(backend, x as TensorInfo, gates, false),
};

/** {x `[N, H, W, C]`, packed `[N, H/2, W/2, 4C]`} -> sums over pixels of packed DWT(x), `[N, 4, C]` */
export const haarGateGrad: WebGPUKernel = {
  kernelName: HAAR_GATE_GRAD_KERNEL,
  run: ({ inputs, backend }) => {
    const { x, packed } = inputs as Readonly<Record<'x' | 'packed', TensorInfo>>;
    const [n, height, width, depth] = packed.shape as Shape4;
    const channels = depth / 4;
    const tiles = Math.ceil(channels / COLUMNS);
    const lanes = WORKGROUP / COLUMNS;
    return run(backend, {
      key: 'haar_gate_grad',
      inputs: { x, packed },
      outputShape: [n, 4, channels],
      numbers: {
        blocks: i32(height * width),
        width: i32(width),
        channels: i32(channels),
        tiles: i32(tiles),
        images: i32(n),
      },
      workgroups: n * tiles,
      workgroupSize: WORKGROUP,
      declarations: `${HAAR} var<workgroup> sums : array<vec4<f32>, ${WORKGROUP}>;`,
      code: `
        let image = group / uniforms.tiles;
        let channel = (group % uniforms.tiles) * ${COLUMNS} + lane % ${COLUMNS};
        let isOwn = channel < uniforms.channels && image < uniforms.images;
        var sum = vec4<f32>(0.0);
        if (isOwn) {
          for (var i = lane / ${COLUMNS}; i < uniforms.blocks; i = i + ${lanes}) {
            let block = image * uniforms.blocks + i;
            let band = block * 4 * uniforms.channels + channel;
            ${blockOffset('block', 'channel')}
            sum = sum + haar(${readBlock('x')}) * ${readBands('packed')};
          }
        }
        sums[lane] = sum;
        workgroupBarrier();
        if (isOwn && lane < ${COLUMNS}) {
          var total = vec4<f32>(0.0);
          for (var i = 0; i < ${lanes}; i = i + 1) { total = total + sums[i * ${COLUMNS} + lane]; }
          for (var b = 0; b < 4; b = b + 1) { result[(4 * image + b) * uniforms.channels + channel] = total[b]; }
        }`,
    });
  },
};
