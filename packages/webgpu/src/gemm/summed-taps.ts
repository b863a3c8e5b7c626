import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { i32, run } from '../program';

const WORKGROUP = 256;

/**
 * What the pixels of a convolution of an upsampled image see of one pixel before: the sums of those of the 3 x 3 taps that
 * fall on its square of four, for the 4 x 4 pixels around it.
 * @param filter `[3, 3, inC, outC]` @returns `[4, 4, inC, outC]`, owned by the caller.
 */
export function summedTaps(backend: WebGPUBackend, filter: TensorInfo): TensorInfo {
  const [, , inC, outC] = filter.shape as [number, number, number, number];
  return run(backend, {
    key: 'summed_taps',
    inputs: { taps: filter },
    outputShape: [4, 4, inC, outC],
    numbers: { pairs: i32(inC * outC) },
    workgroups: 'elements',
    workgroupSize: WORKGROUP,
    // Pixel 2 y - 1 + t of the result sees row u of the upsampled image by tap u + 1 - (2 y - 1 + t), for u = 2 y, 2 y + 1.
    code: `
      let place = index / uniforms.pairs;
      let pair = index - place * uniforms.pairs;
      let y = place / 4;
      let x = place % 4;
      var sum = 0.0;
      for (var tapY = max(0, 2 - y); tapY <= min(2, 3 - y); tapY = tapY + 1) {
        for (var tapX = max(0, 2 - x); tapX <= min(2, 3 - x); tapX = tapX + 1) {
          sum = sum + taps[(tapY * 3 + tapX) * uniforms.pairs + pair];
        }
      }
      result[index] = sum;`,
  });
}
