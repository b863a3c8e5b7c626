import { useBackend } from '@sd/backend';
import { upsampledConv2d } from '@sd/nn';
import { describeBackends } from '@sd/testing';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { registerWebGPUKernels } from '../index';
import { random } from '../same-as-cpu';
import {
  convGeometry,
  filterGradientGemm,
  forwardGemm,
  inputGradientGemm,
  upsampledGeometry,
  upsampledInputGradientGemm,
} from './convolution';
import { emulatedMatrixUnits } from './emulated-matrix-units';
import type { Gemm } from './gemm';
import { suitsHalo } from './halo';
import { suitsHaloFilter } from './halo-filter';
import { magnitudes } from './magnitudes';
import { dawnMatrixUnits, matrixUnits } from './matrix-units';
import { runGemm } from './run-gemm';
import { summedTaps } from './summed-taps';
import type { MixedTile } from './tile';
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

  const convolve = (x: tf.Tensor, filter: tf.Tensor) => tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, 'same');

  const halo = (changes: Partial<MixedTile>) => ({ ...(tileOf('m32x32x16_16x16_1h3') as MixedTile), ...changes });

  const twoStages: MixedTile = { ...(tileOf('m32x32x32_16x16_1') as MixedTile), bk: 16, sm: 32, stages: 2 };

  const haloFilter = (changes: Partial<MixedTile>) => ({
    ...(tileOf('m288x32x64_144x16_1ahf') as MixedTile),
    ...{ bm: 144, bk: 16 },
    ...changes,
  });

  // Tiles of 32 x 32 divide the pixels and channels of the second shape, where units write to memory themselves.
  test.each([
    { kind: 'forward with an epilogue', shape: [2, 7, 9, 20], outC: 36, parts: 2, scaled: false },
    { kind: 'forward with a bias', shape: [2, 4, 8, 12], outC: 64, parts: 1, scaled: false },
    { kind: 'input gradient', shape: [2, 7, 9, 20], outC: 36, parts: 2, scaled: true },
    { kind: 'input gradient', shape: [2, 4, 8, 32], outC: 12, parts: 1, scaled: true },
    { kind: 'filter gradient', shape: [2, 7, 9, 20], outC: 36, parts: 2, scaled: true },
    // Two stages, and parts of the last of which a step is beyond the end.
    { kind: 'forward', shape: [2, 7, 9, 20], outC: 36, parts: 2, scaled: false, tile: twoStages },
    { kind: 'filter gradient', shape: [2, 7, 9, 20], outC: 36, parts: 3, scaled: true, tile: twoStages },
    // Rows of images with the pixels around them. Two parts of three steps: one step is beyond the end.
    { kind: 'forward', shape: [2, 4, 16, 48], outC: 32, parts: 2, scaled: false, tile: halo({}) },
    { kind: 'forward with an epilogue', shape: [2, 4, 16, 32], outC: 64, parts: 1, scaled: false, tile: halo({}) },
    { kind: 'forward with a bias', shape: [1, 3, 32, 32], outC: 32, parts: 1, scaled: false, tile: halo({ taps: 1 }) },
    {
      kind: 'forward',
      shape: [1, 4, 16, 32],
      outC: 16,
      parts: 1,
      scaled: true,
      tile: halo({ bn: 16, sm: 32, taps: 9, ahead: true }),
    },
    { kind: 'input gradient', shape: [2, 4, 16, 32], outC: 48, parts: 1, scaled: true, tile: halo({ ahead: true }) },
    {
      kind: 'input gradient',
      shape: [1, 4, 16, 32],
      outC: 48,
      parts: 2,
      scaled: true,
      tile: halo({ taps: 1, ahead: true }),
    },
    {
      kind: 'input gradient',
      shape: [2, 2, 16, 32],
      outC: 32,
      parts: 1,
      scaled: false,
      tile: halo({ bk: 32, bn: 16, sm: 32, taps: 1 }),
    },
    // Rows of images of 16, 32: two rows a step, one. Parts begin and end within images; a step may be beyond the end.
    { kind: 'filter gradient', shape: [2, 5, 16, 32], outC: 64, parts: 3, scaled: true, tile: haloFilter({ bk: 32 }) },
    { kind: 'filter gradient', shape: [3, 4, 32, 16], outC: 32, parts: 1, scaled: false, tile: haloFilter({ bk: 32 }) },
    {
      kind: 'filter gradient',
      shape: [2, 3, 16, 32],
      outC: 32,
      parts: 2,
      scaled: true,
      tile: haloFilter({ bm: 288, sn: 32 }),
    },
  ])(
    'products on matrix units are those of the cpu backend: $kind, $shape',
    async ({ kind, shape, outC, parts, scaled, tile }) => {
      const [n, h, w, inC] = shape as [number, number, number, number];
      const g = convGeometry(shape, [3, 3, inC, outC], { strides: 1, pad: 'same' });
      await useBackend('cpu');
      const x = random(shape, 1) as tf.Tensor4D;
      const filter = random([3, 3, inC, outC], 2) as tf.Tensor4D;
      // as small as gradients can be
      const dy = tf.mul(random([n, h, w, outC], 3), scaled ? 2 ** -30 : 1) as tf.Tensor4D;
      const bias = random([outC], 4) as tf.Tensor1D;
      const [gemm, reference]: [Gemm, tf.Tensor] = {
        'forward with an epilogue': () => [
          forwardGemm(x, filter, g, { bias, activation: 'relu', residual: dy }),
          tf.add(tf.relu(tf.add(convolve(x, filter), bias)), dy),
        ],
        forward: () => [forwardGemm(x, filter, g), convolve(x, filter)],
        'forward with a bias': () => [forwardGemm(x, filter, g, { bias }), tf.add(convolve(x, filter), bias)],
        'input gradient': () => [inputGradientGemm(dy, filter, g), tf.grads(convolve)([x, filter], dy)[0]!],
        'filter gradient': () => [filterGradientGemm(x, dy, g), tf.grads(convolve)([x, filter], dy)[1]!],
      }[kind]!() as [Gemm, tf.Tensor];
      const expected = await reference.data();
      await useBackend('webgpu', { allowSoftware: true });
      const peaks = magnitudes(backend, gemm.left.tensor, gemm.right.tensor, 'both');
      const plan = {
        tile: tile ?? tileOf(parts === 1 ? 'm32x32x32_16x16_1' : 'm64x32x32_32x16_1a'),
        parts,
        ...(scaled && { magnitudes: peaks }),
      };
      if (tile?.halo === 'filter') expect(suitsHaloFilter(tile, gemm)).toBe(true);
      else if (tile?.halo === 'image') expect(suitsHalo(tile, gemm)).toBe(true);
      const result = tf.engine().makeTensorFromTensorInfo(runGemm(backend, gemm, plan));
      await expect(result).toBeAllclose(expected);
      tf.dispose([x, filter, dy, bias, reference, result]);
      backend.disposeData(peaks.dataId);
    },
  );

  test('so are those of a convolution of an upsampled image', async () => {
    await useBackend('cpu');
    const x = random([2, 3, 5, 20], 1) as tf.Tensor4D;
    const filter = random([3, 3, 20, 36], 2) as tf.Tensor4D;
    const dy = random([2, 6, 10, 36], 3);
    const f = (image: tf.Tensor, weights: tf.Tensor) => upsampledConv2d(image as tf.Tensor4D, weights as tf.Tensor4D);
    const references = [f(x, filter), ...tf.grads(f as (...tensors: tf.Tensor[]) => tf.Tensor)([x, filter], dy)];
    const expected = await Promise.all(references.map((tensor) => tensor.data()));
    await useBackend('webgpu', { allowSoftware: true });
    const taps = tf.engine().makeTensorFromTensorInfo(summedTaps(backend, filter));
    const g = upsampledGeometry(x.shape, filter.shape);
    const gemms = [forwardGemm(x, filter, g), upsampledInputGradientGemm(dy, taps), filterGradientGemm(x, dy, g)];
    for (const [i, gemm] of gemms.entries()) {
      const plan = { tile: tileOf('m64x32x32_32x16_1a'), parts: 2 };
      const result = tf.engine().makeTensorFromTensorInfo(runGemm(backend, gemm, plan));
      await expect(result).toBeAllclose(expected[i]!);
      result.dispose();
    }
    tf.dispose([x, filter, dy, taps, references]);
  });
});
