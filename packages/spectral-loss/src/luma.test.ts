import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { luma } from './luma';
import { noise } from './test-values';

describeBackends(['cpu', 'wasm'], () => {
  test('luma weights red, green and blue as BT.601 and leaves one tensor', async () => {
    const primaries = tf.tensor4d([1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1], [1, 2, 2, 3]);
    const y = await expectTensors(1, () => luma(primaries));
    await expect(y).toBeAllclose([
      [
        [[0.299], [0.587]],
        [[0.114], [1]],
      ],
    ]);
  });

  test('luma of one channel is that channel, in a tensor of its own', async () => {
    const gray = noise(1, [1, 3, 2, 1]);
    const y = await expectTensors(1, () => luma(gray));
    gray.dispose();
    await expect(y).toBeAllclose(noise(1, [1, 3, 2, 1]));
  });

  test('the gradient of luma is that of finite differences', async () => {
    await expectGradient((x) => luma(x as Tensor4D), noise(2, [1, 2, 3, 3]));
  });
});

describe('errors', () => {
  test('of shape', () => {
    expect(() => luma(tf.zeros([1, 4, 4, 4]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: luma: x must be [N, H, W, 3] or [N, H, W, 1], got [1, 4, 4, 4]]`,
    );
    expect(() => luma(tf.zeros([4, 4, 3]) as unknown as Tensor4D)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: luma: x must be [N, H, W, C], got [4, 4, 3]]`,
    );
  });
});
