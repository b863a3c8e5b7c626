import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { i32, run } from '../program';
import { epilogueKey, finishCode } from './epilogue';
import type { Epilogue } from './gemm';

/** Adds the partial sums of a product, in their order, and finishes them. `[parts, ...outShape]` -> outShape */
export function sumParts(
  backend: WebGPUBackend,
  sums: TensorInfo,
  options: { parts: number; n: number; outShape: readonly number[]; epilogue?: Epilogue },
): TensorInfo {
  const { parts, n, outShape, epilogue = {} } = options;
  const { bias, residual } = epilogue;
  return run(backend, {
    key: `sum_parts_${epilogueKey(epilogue)}`,
    inputs: { sums, ...(bias && { bias }), ...(residual && { residual }) },
    outputShape: outShape,
    numbers: { parts: i32(parts), count: i32(util.sizeFromShape([...outShape])), columns: i32(n) },
    workgroups: 'elements',
    workgroupSize: 64,
    declarations: finishCode(epilogue),
    code: `
      var total = 0.0;
      for (var part = 0; part < uniforms.parts; part = part + 1) { total = total + sums[part * uniforms.count + index]; }
      result[index] = finish(total, index % uniforms.columns, index);`,
  });
}
