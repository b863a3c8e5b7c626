import { expect, test } from 'vitest';
import { featureShapes } from './feature-shapes';
import { presets } from './presets';

test('lists the last block of each decoder level, coarse to fine', () => {
  expect(featureShapes(presets['sd-ffhq'])).toEqual([
    { name: 'up.3', channels: 256, height: 8, width: 8 },
    { name: 'up.2', channels: 192, height: 16, width: 16 },
    { name: 'up.1', channels: 128, height: 32, width: 32 },
    { name: 'up.0', channels: 64, height: 64, width: 64 },
  ]);
});

test('teacher and student have features of the same names and sizes', () => {
  const sizes = (name: 'ldm-lsun-church' | 'sd-lsun-church') =>
    featureShapes(presets[name]).map(({ channels: _, ...size }) => size);
  expect(sizes('sd-lsun-church')).toEqual(sizes('ldm-lsun-church'));
});

test('takes another size of the input', () => {
  expect(featureShapes(presets['sd-ffhq'], 32).map(({ height }) => height)).toEqual([4, 8, 16, 32]);
  expect(() => featureShapes(presets['sd-ffhq'], 12)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: UNetConfig: imageSize must be a multiple of 8, for 4 levels, got 12]`,
  );
});
