import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { Downsample } from './downsample';
import { Upsample } from './upsample';

const style = { norm: 'group', normGroups: 2, init: 'torch', dropout: 0 } as const;
const numbered = () =>
  tf.tensor4d(
    Array.from({ length: 16 }, (_, i) => i),
    [1, 4, 4, 1],
  );

describeBackends(['cpu', 'wasm'], () => {
  test('Downsample pads at the bottom and at the right only', async () => {
    const down = new Downsample(1, style);
    down.conv.weight.load(Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9]));
    down.conv.bias?.load(Float32Array.of(100));
    const x = numbered();
    const y = await expectTensors(1, () => down.forward(x));
    // of 0 1 2 3 / 4 5 6 7 / 8 9 10 11 / 12 13 14 15, the filter at rows and columns 0 and 2
    const at = (row: number, column: number) => {
      let sum = 100;
      for (let i = 0; i < 3; i++) {
        for (let j = 0; j < 3; j++) {
          if (row + i < 4 && column + j < 4) sum += (3 * i + j + 1) * (4 * (row + i) + column + j);
        }
      }
      return sum;
    };
    await expect(y).toBeAllclose([
      [
        [[at(0, 0)], [at(0, 2)]],
        [[at(2, 0)], [at(2, 2)]],
      ],
    ]);
    // the corner sees 10 11 / 14 15 with the filter's 1 2 / 4 5
    expect(at(2, 2)).toBe(100 + 10 + 22 + 56 + 75);
    down.dispose();
  });

  test('Upsample copies each pixel to a block of 2x2, then filters', async () => {
    const up = new Upsample(1, style);
    up.conv.weight.load(Float32Array.from([0, 0, 0, 0, 1, 0, 0, 0, 0]));
    up.conv.bias?.load(Float32Array.of(0));
    const x = tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1]);
    const copies = [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4];
    await expect(await expectTensors(1, () => up.forward(x))).toBeAllclose(copies);
    // a filter that looks one pixel up sees zeros above the first row
    up.conv.weight.load(Float32Array.from([0, 1, 0, 0, 0, 0, 0, 0, 0]));
    await expect(up.forward(x)).toBeAllclose([0, 0, 0, 0, ...copies.slice(0, 12)]);
    up.dispose();
  });
});

test('Downsample refuses odd sizes before any tensor is made', async () => {
  const down = new Downsample(2, style);
  const x = tf.zeros([1, 6, 5, 2]) as tf.Tensor4D;
  await expectTensors(0, () =>
    expect(() => down.forward(x)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: Downsample: x must be [N, even, even, 2], got [1, 6, 5, 2]]`,
    ),
  );
});
