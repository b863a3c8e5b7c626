import { featureShapes, presets, type UNetConfig } from '@sd/unet';
import { describe, expect, test } from 'vitest';
import { pairFeatures } from './feature-pair';

describe('pairFeatures', () => {
  test('pairs names of the same size, in the order of the student, without dots', () => {
    const shape = (name: string, channels: number, height: number, width = height) => ({
      name,
      channels,
      height,
      width,
    });
    const teacher = [shape('a.0', 8, 16), shape('b', 9, 4, 8), shape('c', 5, 4), shape('only teacher', 1, 1)];
    const student = [shape('c', 3, 4), shape('b', 2, 8, 4), shape('only student', 1, 1), shape('a.0', 7, 16)];
    expect(pairFeatures(teacher, student)).toEqual([
      { name: 'c', teacherChannels: 5, studentChannels: 3 },
      { name: 'a_0', teacherChannels: 8, studentChannels: 7 },
    ]);
  });

  test('pairs every decoder level of LDM and of the slim UNet', () => {
    const shapes = (config: UNetConfig) => featureShapes(config);
    const pairs = pairFeatures(shapes(presets['ldm-ffhq']), shapes(presets['sd-ffhq']));
    expect(pairs).toEqual([
      { name: 'up_3', teacherChannels: 896, studentChannels: 256 },
      { name: 'up_2', teacherChannels: 672, studentChannels: 192 },
      { name: 'up_1', teacherChannels: 448, studentChannels: 128 },
      { name: 'up_0', teacherChannels: 224, studentChannels: 64 },
    ]);
  });
});
