import { expect, test } from 'vitest';
import { registerWebGPUKernels } from './index';
import { type Precision, precisionOn, setPrecision, whyNotMixed } from './precision';

const config = { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16 };
const device = (features: string[], info: object) =>
  ({
    features: new Set(features),
    adapterInfo: { subgroupMinSize: 32, subgroupMaxSize: 32, ...info },
  }) as unknown as GPUDevice;
const all = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'];
const able = device(all, { subgroupMatrixConfigs: [config] });

test('a device says what it lacks for mixed precision', () => {
  expect(whyNotMixed(able)).toBeNull();
  expect(whyNotMixed(device(['subgroups'], {}))).toMatchInlineSnapshot(`"the device lacks the feature shader-f16"`);
  expect(whyNotMixed(device(all, { subgroupMinSize: 16 }))).toMatchInlineSnapshot(
    `"its subgroups have 16 to 32 threads, not 32"`,
  );
  expect(whyNotMixed(device(all, { subgroupMatrixConfigs: [{ ...config, M: 8 }] }))).toMatchInlineSnapshot(
    `"it multiplies no 16x16x16 matrices of f16 into f32"`,
  );
});

test('mixed precision is used where it was asked for and the device can', () => {
  expect(precisionOn(able)).toBe('float32');
  setPrecision('test', 'mixed');
  expect(precisionOn(able)).toBe('mixed');
  expect(precisionOn(device([], {}))).toBe('float32');
  setPrecision('test', 'float32');
  expect(precisionOn(able)).toBe('float32');
});

test('another precision is refused', async () => {
  await expect(registerWebGPUKernels({ precision: 'half' as Precision })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: registerWebGPUKernels: precision must be 'float32' or 'mixed', got "half"]`,
  );
});
