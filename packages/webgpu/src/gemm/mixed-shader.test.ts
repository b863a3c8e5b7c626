import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { create, globals } from 'webgpu';
import { matrixAttention, matrixAttentionGradients } from '../attention/matrix-attention';
import { packed, type Rows, separate } from '../attention/rows';
import { setPrecision } from '../precision';
import { convGeometry, filterGradientGemm, forwardGemm, inputGradientGemm } from './convolution';
import { PARTS } from './magnitudes';
import { suits } from './plan';
import { runGemm } from './run-gemm';
import { type MixedTile, type Tile, tileKey } from './tile';
import { TILES, tileOf } from './tiles';

// Dawn's null device runs nothing, but it has f16 and matrix units, and checks shaders as every other does.
// It has WebGPU's least limits, so that the larger tiles are not among those that suit it.
const SMALL_HALOS = ([1, 3] as const).flatMap((taps) =>
  [true, false].map((ahead): Tile => ({ ...(tileOf('m32x32x16_16x16_1h3') as MixedTile), taps, ahead })),
);
let backend: WebGPUBackend;
let gpu: GPU | null = null;
const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');

beforeAll(async () => {
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  gpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
  Object.defineProperty(globalThis, 'navigator', { value: { gpu, userAgent: '' }, configurable: true });
  const adapter = (await gpu.requestAdapter()) as GPUAdapter;
  const features = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'] as GPUFeatureName[];
  const device = await adapter.requestDevice({ requiredFeatures: features });
  backend = new WebGPUBackend(device, adapter.info);
});

afterAll(() => {
  backend.device.destroy();
  if (before) Object.defineProperty(globalThis, 'navigator', before);
  else Reflect.deleteProperty(globalThis, 'navigator');
});

const tensor = (shape: number[]): TensorInfo => ({
  dataId: backend.write(null as unknown as Float32Array, shape, 'float32'),
  shape,
  dtype: 'float32',
});

test.each([
  { name: 'channels in fours', size: 8, inC: 64, outC: 64, strides: 1 },
  { name: 'few channels, strides', size: 8, inC: 4, outC: 12, strides: 2 },
  { name: 'rows of images', size: 16, inC: 64, outC: 64, strides: 1 },
])('the shaders for matrix units are valid: $name', async ({ size, inC, outC, strides }) => {
  const g = convGeometry([2, size, size, inC], [3, 3, inC, outC], { strides, pad: 'same' });
  const [x, filter] = [tensor([2, size, size, inC]), tensor([3, 3, inC, outC])];
  const [dy, bias] = [tensor([2, g.outHeight, g.outWidth, outC]), tensor([outC])];
  const gemms = [
    forwardGemm(x, filter, g),
    forwardGemm(x, filter, g, { bias, activation: 'silu', residual: dy }),
    inputGradientGemm(dy, filter, g),
    filterGradientGemm(x, dy, g),
  ];
  let shaders = 0;
  for (const gemm of gemms) {
    for (const tile of [...TILES, ...SMALL_HALOS].filter((each) => suits(each, 'mixed', gemm, backend.device))) {
      for (const magnitudes of [undefined, tensor([PARTS, 2])]) {
        backend.device.pushErrorScope('validation');
        runGemm(backend, gemm, { tile, parts: 2, ...(magnitudes && { magnitudes }) });
        const error = await backend.device.popErrorScope();
        expect(error?.message, tileKey(tile)).toBeUndefined();
        shaders++;
      }
    }
  }
  expect(shaders).toBeGreaterThan(4);
});

test.each([
  { name: 'side by side', columns: 16, count: 128 },
  { name: 'side by side, of no whole matrices', columns: 12, count: 70 },
  { name: 'of no fours', columns: 10, count: 64 },
])('the shaders of attention are valid: heads $name', async ({ columns, count }) => {
  const qkv = tensor([2, count, 2 * 3 * columns]);
  const [q, k, v] = [0, 1, 2].map((part) => ({ tensor: qkv, ...packed(count, 2, columns, part, 3) })) as [
    Rows,
    Rows,
    Rows,
  ];
  const shape = [2, 2, count, columns];
  const result = { shape, layout: separate(shape) };
  const [y, dy] = [tensor(shape), tensor(shape)].map((each) => ({ tensor: each, ...separate(shape) })) as [Rows, Rows];
  const attended = { pairs: { images: 2, heads: 2 }, q, k, v, y, dy };
  setPrecision('test', 'mixed');
  backend.device.pushErrorScope('validation');
  matrixAttention(backend, attended, result);
  matrixAttentionGradients(backend, attended, { dq: result, dk: result, dv: result });
  const both = [0, 1].map((part) => packed(count, 2, columns, part, 2)) as [typeof result.layout, typeof result.layout];
  const together = { shape: [2, count, 2 * 2 * columns], dk: both[0], dv: both[1] };
  matrixAttentionGradients(backend, attended, { dq: result, ...together });
  const error = await backend.device.popErrorScope();
  expect(error?.message).toBeUndefined();
  setPrecision('test', 'float32');
});
