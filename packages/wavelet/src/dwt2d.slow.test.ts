import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { test } from 'vitest';
import { dwt2d } from './dwt2d';
import { expectGolden, goldenCases } from './golden-case';
import { idwt2d } from './idwt2d';

// Slow because SwiftShader compiles shaders for every size.
describeBackends(['webgpu'], () => {
  test.each(goldenCases)('dwt2d and idwt2d match PyWavelets: %s', (_name, golden) => expectGolden(golden));

  test('gradients agree with finite differences and leave nothing behind', async () => {
    const x = tf.randomNormal<tf.Rank.R4>([1, 5, 6, 2], 0, 1, 'float32', 1);
    await expectTensors(0, async () => {
      for (const mode of ['periodization', 'zero', 'symmetric', 'reflect'] as const) {
        const options = { wavelet: 'bior2.2', mode } as const;
        await expectGradient(
          (t) => {
            const { ll, ...rest } = dwt2d(t as tf.Tensor4D, options);
            return idwt2d({ ll: tf.square(ll), ...rest }, { ...options, size: [5, 6] });
          },
          x,
          { directions: 1 },
        );
      }
    });
  });
});
