import { useBackend } from '@sd/backend';
import { describeBackends } from '@sd/testing';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { registerWebGPUKernels } from '../index';
import { random } from '../same-as-cpu';
import { convGeometry, filterGradientGemm, forwardGemm, inputGradientGemm } from './convolution';
import { emulatedMatrixUnits } from './emulated-matrix-units';
import type { Gemm } from './gemm';
import { magnitudes } from './magnitudes';
import { dawnMatrixUnits, matrixUnits } from './matrix-units';
import { runGemm } from './run-gemm';
import { tileOf } from './tiles';

// On a GPU: `pnpm test:gpu`. Here the units are emulated in float32, so that everything but the rounding to halves is compared.
describeBackends(['webgpu'], () => {
  let backend: WebGPUBackend;
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
    backend = tf.backend() as WebGPUBackend;
    matrixUnits.current = emulatedMatrixUnits;
  });
  afterAll(() => {
    matrixUnits.current = dawnMatrixUnits;
  });

  type Make = (x: tf.Tensor4D, filter: tf.Tensor4D, dy: tf.Tensor4D, bias: tf.Tensor1D) => [Gemm, tf.Tensor];
  const g = convGeometry([2, 7, 9, 20], [3, 3, 20, 36], { strides: 1, pad: 'same' });
  const convolve = (x: tf.Tensor, filter: tf.Tensor) => tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, 'same');
  const cases: Record<string, Make> = {
    'forward, with an epilogue': (x, filter, dy, bias) => [
      forwardGemm(x, filter, g, { bias, activation: 'relu', residual: dy }),
      tf.add(tf.relu(tf.add(convolve(x, filter), bias)), dy),
    ],
    'input gradient': (x, filter, dy) => [inputGradientGemm(dy, filter, g), tf.grads(convolve)([x, filter], dy)[0]!],
    'filter gradient': (x, filter, dy) => [filterGradientGemm(x, dy, g), tf.grads(convolve)([x, filter], dy)[1]!],
  };

  test.each(Object.keys(cases))('products on matrix units are those of the cpu backend: %s', async (name) => {
    await useBackend('cpu');
    const [x, filter] = [random([2, 7, 9, 20], 1), random([3, 3, 20, 36], 2)] as [tf.Tensor4D, tf.Tensor4D];
    // as small as gradients can be
    const dy = tf.mul(random([2, 7, 9, 36], 3), name === 'forward, with an epilogue' ? 1 : 2 ** -30) as tf.Tensor4D;
    const [gemm, reference] = cases[name]!(x, filter, dy, random([36], 4) as tf.Tensor1D);
    const expected = await reference.data();
    await useBackend('webgpu', { allowSoftware: true });
    const peaks = magnitudes(backend, gemm.left.tensor, gemm.right.tensor, 'both');
    const plan = { tile: tileOf('m32x32x32_16x16_1'), parts: 2, magnitudes: peaks };
    const result = tf.engine().makeTensorFromTensorInfo(runGemm(backend, gemm, plan));
    await expect(result).toBeAllclose(expected);
    tf.dispose([x, filter, dy, reference, result]);
    backend.disposeData(peaks.dataId);
  });
});
