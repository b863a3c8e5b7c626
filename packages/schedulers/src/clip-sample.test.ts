import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { type Clipping, clipSample } from './clip-sample';

const values = [
  [0.251, -0.264, 1.281, 0.21, -1.071, 0.723, 2.608],
  [1.894, -1.407, -2.531, -1.247, 0.083, -4.65, -0.438],
];

describeBackends(['cpu', 'wasm'], () => {
  test('a range clips to both sides', async () => {
    const x0 = tf.tensor2d(values);
    const y = await expectTensors(1, () => clipSample(x0, { range: 1.3 }));
    await expect(y).toBeAllclose([
      [0.251, -0.264, 1.281, 0.21, -1.071, 0.723, 1.3],
      [1.3, -1.3, -1.3, -1.247, 0.083, -1.3, -0.438],
    ]);
  });

  // numpy.quantile(abs(x), q, axis=1), kept within [1, maximum]; clip, then divide.
  test.each<[number, number, number[][]]>([
    [
      0.9,
      3,
      [
        [0.138536262, -0.145711447, 0.707031681, 0.115906833, -0.591124848, 0.399050668, 1],
        [0.631333333, -0.469, -0.843666667, -0.415666667, 0.027666667, -1, -0.146],
      ],
    ],
    [
      0.5,
      2.5,
      [
        [0.251, -0.264, 1, 0.21, -1, 0.723, 1],
        [1, -1, -1, -0.886282871, 0.05899076, -1, -0.31130064],
      ],
    ],
    [
      1,
      10,
      [
        [0.096242331, -0.101226994, 0.491180982, 0.080521472, -0.410659509, 0.277223926, 1],
        [0.407311828, -0.302580645, -0.544301075, -0.268172043, 0.017849462, -1, -0.094193548],
      ],
    ],
    [
      0,
      10,
      [
        [0.251, -0.264, 1, 0.21, -1, 0.723, 1],
        [1, -1, -1, -1, 0.083, -1, -0.438],
      ],
    ],
    [
      0.9,
      1,
      [
        [0.251, -0.264, 1, 0.21, -1, 0.723, 1],
        [1, -1, -1, -1, 0.083, -1, -0.438],
      ],
    ],
  ])('dynamic thresholding at quantile %d and maximum %d agrees with NumPy', async (quantile, maximum, expected) => {
    const x0 = tf.tensor2d(values);
    const y = await expectTensors(1, () => clipSample(x0, { quantile, maximum }));
    await expect(y).toBeAllclose(expected);
  });

  test('dynamic thresholding takes the quantile over a whole image', async () => {
    const flat = clipSample(tf.tensor2d(values), { quantile: 0.8, maximum: 9 });
    const image = clipSample(tf.tensor4d(values.flat(), [2, 7, 1, 1]), { quantile: 0.8, maximum: 9 });
    expect(image.shape).toEqual([2, 7, 1, 1]);
    await expect(image).toBeAllclose(tf.reshape(flat, [2, 7, 1, 1]));
  });
});

test.each<[Clipping, string]>([
  [{ range: 0 }, 'clipSample: range must be a positive number, got 0'],
  [{ quantile: 1.2, maximum: 1 }, 'clipSample: quantile must be a number in [0, 1], got 1.2'],
  [{ quantile: 0.9, maximum: -1 }, 'clipSample: maximum must be a positive number, got -1'],
])('%o is refused', (clipping, message) => {
  const x0 = tf.zeros([1, 2]);
  expect(() => clipSample(x0, clipping)).toThrow(expect.objectContaining({ name: 'ArgumentError', message }));
  x0.dispose();
  expect(() => clipSample(x0, { range: 1 })).toThrow(
    'clipSample: x0 must be a tensor that is not disposed, got [1, 2]',
  );
});
