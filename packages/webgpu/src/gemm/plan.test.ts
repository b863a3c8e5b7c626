import type { TensorInfo } from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { convGeometry, filterGradientGemm, forwardGemm, inputGradientGemm } from './convolution';
import { haloFilterTerms } from './halo-filter';
import { planFor, suits, workgroupsOf } from './plan';
import { SMALLEST, storageOf } from './tile';
import { TILES, tileOf } from './tiles';
import { TUNED } from './tuning-table';

const limits = {
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
};
const least = { limits } as GPUDevice;
const large = { limits: { ...limits, maxComputeWorkgroupStorageSize: 49152, maxComputeInvocationsPerWorkgroup: 1024 } };
const tensor = (shape: number[]) => ({ dataId: {}, shape, dtype: 'float32' }) as TensorInfo;

const geometry = (batch: number, size: number, channels: number) =>
  convGeometry([batch, size, size, channels], [3, 3, channels, channels], { strides: 1, pad: 'same' });
const none = tensor([]);

test('the smallest tile runs wherever WebGPU does, for every operand', () => {
  const g = geometry(1, 8, 3);
  const gemms = [forwardGemm(none, none, g), inputGradientGemm(none, none, g), filterGradientGemm(none, none, g)];
  for (const gemm of gemms) expect(suits(SMALLEST, 'float32', gemm, least)).toBe(true);
});

test('a plan keeps to the device and to the precision', () => {
  for (const device of [least, large as GPUDevice]) {
    for (const precision of ['float32', 'mixed'] as const) {
      for (const [batch, size, channels] of [
        [64, 64, 64],
        [1, 8, 256],
        [3, 7, 5],
      ] as const) {
        const g = geometry(batch, size, channels);
        for (const gemm of [forwardGemm(none, none, g), filterGradientGemm(none, none, g)]) {
          const { tile, parts } = planFor(gemm, precision, device);
          if (precision === 'float32') expect(tile.kind).toBe('float32');
          expect(storageOf(tile)).toBeLessThanOrEqual(device.limits.maxComputeWorkgroupStorageSize);
          expect(parts).toBeGreaterThanOrEqual(1);
          expect(parts * tile.bk).toBeLessThanOrEqual(Math.max(gemm.k, tile.bk));
        }
      }
    }
  }
});

test('a small result with a long sum is cut into parts, a large one is not', () => {
  const filterGradient = filterGradientGemm(none, none, geometry(64, 64, 64));
  const { tile, parts } = planFor(filterGradient, 'float32', large as GPUDevice);
  expect(parts).toBeGreaterThan(32);
  expect(parts * workgroupsOf(tile, filterGradient)).toBeGreaterThan(256);
  expect(planFor(forwardGemm(none, none, geometry(64, 64, 64)), 'float32', large as GPUDevice).parts).toBe(1);
});

test('every row of the table names a tile', () => {
  for (const { tile } of TUNED) expect(TILES).toContain(tileOf(tile));
});

test('pixels are read once for all taps where that leaves every unit of a large GPU some work', () => {
  const haloOf = (gemm: ReturnType<typeof forwardGemm>, device = large as GPUDevice) => {
    const { tile } = planFor(gemm, 'mixed', device);
    return tile.kind === 'mixed' ? tile.halo : tile.kind;
  };
  const many = geometry(64, 64, 64);
  expect(haloOf(forwardGemm(none, none, many))).toBe('image');
  expect(haloOf(inputGradientGemm(none, none, many))).toBe('image');
  expect(haloOf(filterGradientGemm(none, none, many))).toBe('filter');
  const few = geometry(1, 64, 64);
  for (const gemm of [forwardGemm(none, none, few), filterGradientGemm(none, none, few)]) {
    expect(haloOf(gemm)).toBe('none');
  }
  // Rows that are no whole fragments, strides, a device with little memory.
  expect(haloOf(forwardGemm(none, none, geometry(64, 24, 64)))).toBe('none');
  const strided = convGeometry([64, 64, 64, 64], [3, 3, 64, 64], { strides: 2, pad: 'same' });
  expect(haloOf(filterGradientGemm(none, none, strided))).toBe('none');
  expect(haloOf(forwardGemm(none, none, many), least)).not.toBe('image');
});

test('the terms of a walk down the rows are those of the image and of a row below each', () => {
  expect(haloFilterTerms(filterGradientGemm(none, none, geometry(3, 16, 8)))).toBe(3 * 17 * 16);
});
