import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { i32, run } from './program';

export type GroupNormAttributes = { readonly groups: number; readonly eps: number; readonly silu: boolean };
export type NormInputs = { readonly x: TensorInfo; readonly scale: TensorInfo; readonly shift: TensorInfo };

/** Sum over images of one of four numbers of each channel. `[N, C, 4]` -> `[C]` */
export function sumOverImages(backend: WebGPUBackend, sums: TensorInfo, which: 0 | 1): TensorInfo {
  const [batch = 1, channels = 1] = sums.shape;
  return run(backend, {
    key: 'group_norm_sum_over_images',
    inputs: { sums },
    outputShape: [channels],
    numbers: { batch: i32(batch), channels: i32(channels), which: i32(which) },
    workgroups: 'elements',
    workgroupSize: 64,
    code: `
      var total = 0.0;
      for (var image = 0; image < uniforms.batch; image = image + 1) {
        total = total + sums[(image * uniforms.channels + index) * 4 + uniforms.which];
      }
      result[index] = total;`,
  });
}
