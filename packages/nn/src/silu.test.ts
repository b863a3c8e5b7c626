import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { silu } from './silu';
import { goldenImages, noise } from './test-values';

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  test('silu matches torch.nn.functional.silu and leaves one tensor', async () => {
    const x = goldenImages('groupnorm/x');
    await expect(await expectTensors(1, () => silu(x))).toBeAllclose(goldenImages('silu/y'));
  });
});

describeBackends(['cpu', 'wasm'], () => {
  test('silu and its gradient saturate without NaN', async () => {
    const x = tf.tensor1d([-200, -100, -20, 0, 20, 100, 200]);
    await expect(silu(x)).toBeAllclose([-0, -0, -20 / (1 + Math.exp(20)), 0, 20, 100, 200]);
    const dx = await expectTensors(1, () => tf.grad((a: tf.Tensor) => silu(a))(x));
    await expect(dx).toBeAllclose([0, 0, 0, 0.5, 1, 1, 1]);
  });

  test('the gradient of silu is that of finite differences', async () => {
    await expectGradient(silu, noise(1, [3, 4, 5], 2));
  });
});

test('silu names a disposed input', () => {
  const x = tf.zeros([2, 3]);
  x.dispose();
  expect(() => silu(x)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: silu: x must be a tensor that is not disposed, got [2, 3]]`,
  );
});
