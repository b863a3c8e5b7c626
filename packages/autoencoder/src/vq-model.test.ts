import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { images, smallVQ } from './testing';
import { VQModel } from './vq-model';

describeBackends(['cpu', 'wasm'], () => {
  test('encode stops before the codebook, and decode goes through it', async () => {
    const model = new VQModel(smallVQ).initialize(randomKey(1));
    const x = images(2);
    const z = await expectTensors(1, () => model.encode(x));
    expect(z.shape).toEqual([2, 4, 4, 3]);
    model.quantizer.initializeFrom(z, randomKey(2));
    const { quantized } = await expectTensors(4, () => model.quantize(z));
    await expect(quantized).not.toBeAllclose(z, 1e-2);
    const y = await expectTensors(1, () => model.decode(z));
    expect(y.shape).toEqual([2, 8, 8, 3]);
    await expect(model.decode(quantized)).toBeAllclose(y, 0);
    const direct = await expectTensors(1, () => model.decodeQuantized(quantized));
    await expect(direct).toBeAllclose(y, 0);
    await expect(model.decodeQuantized(z)).not.toBeAllclose(y, 1e-3);
    model.dispose();
  });
});

test('refuses images and latents of other shapes before any tensor is made', () => {
  const model = new VQModel(smallVQ);
  const cases: [() => unknown, string][] = [
    [
      () => model.encode(images(1, 7)),
      'VQModel.encode: x must be [N, multiple of 2, multiple of 2, 3], got [1, 7, 7, 3]',
    ],
    [() => model.decode(tf.zeros([1, 4, 4, 2])), 'VQModel.decode: z must be [N, h, w, 3], got [1, 4, 4, 2]'],
    [
      () => model.decodeQuantized(tf.zeros([1, 4, 4, 2])),
      'VQModel.decodeQuantized: quantized must be [N, h, w, 3], got [1, 4, 4, 2]',
    ],
    [() => model.quantize(tf.zeros([1, 4, 4, 2])), 'VectorQuantizer: z must be [N, h, w, 3], got [1, 4, 4, 2]'],
  ];
  for (const [call, message] of cases) {
    expect(call).toThrow(expect.objectContaining({ name: 'ShapeError', message }));
  }
  expect([...model.parameters().values()].some((parameter) => parameter.isAllocated)).toBe(false);
});
