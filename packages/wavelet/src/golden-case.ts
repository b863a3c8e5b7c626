import { expectTensors, goldenJson } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { dwt2d } from './dwt2d';
import { idwt2d } from './idwt2d';
import type { ExtensionMode } from './wavelet';
import type { WaveletName } from './wavelet-name';

export type Matrix = number[][];
export type GoldenCase = {
  wavelet: WaveletName;
  mode: ExtensionMode;
  x: Matrix;
  cA: Matrix;
  cH: Matrix;
  cV: Matrix;
  cD: Matrix;
};

/** For tests: PyWavelets' dwt2, a title with each case. */
export const goldenCases = goldenJson<{ cases: GoldenCase[] }>('wavelets.json').cases.map(
  (golden): [string, GoldenCase] => [
    `${golden.wavelet} ${golden.mode} ${golden.x.length}x${golden.x[0].length}`,
    golden,
  ],
);

/** A matrix as one image of one channel. */
export const image = (matrix: Matrix) =>
  tf.tensor2d(matrix).reshape([1, matrix.length, matrix[0].length, 1]) as tf.Tensor4D;

/** The bands are PyWavelets', and the inverse of its bands is the image. */
export async function expectGolden({ wavelet, mode, x, cA, cH, cV, cD }: GoldenCase): Promise<void> {
  const input = image(x);
  const bands = await expectTensors(4, () => dwt2d(input, { wavelet, mode }));
  const golden = { ll: image(cA), lh: image(cH), hl: image(cV), hh: image(cD) };
  for (const band of ['ll', 'lh', 'hl', 'hh'] as const) await expect(bands[band]).toBeAllclose(golden[band]);
  const size = [x.length, x[0].length] as const;
  const inverse = await expectTensors(1, () => idwt2d(golden, { wavelet, mode, size }));
  await expect(inverse).toBeAllclose(input);
  tf.dispose([input, bands, golden, inverse]);
}
