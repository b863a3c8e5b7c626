import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { util } from '@tensorflow/tfjs-core';

type DataId = Parameters<WebGPUBackend['uploadToGPU']>[0];

/** Bytes up to which the queue copies a tensor at once; larger ones go through a mapped buffer, as in tfjs. */
const MAX_WRITTEN = 2 ** 16;

/**
 * tfjs's backend, with another way up for small tensors. tfjs makes and destroys a mapped buffer for each, which takes
 * the driver a good part of a millisecond, and every number in an expression (`tf.mul(x, 0.5)`) is such a tensor: a
 * training step has thousands.
 */
export class QueuedUploadBackend extends WebGPUBackend {
  override uploadToGPU(dataId: DataId): void {
    const data = this.tensorMap.get(dataId);
    const { values, dtype, shape } = data;
    const bytes = 4 * util.sizeFromShape(shape);
    const isPlain = dtype === 'float32' || dtype === 'int32' || dtype === 'bool';
    if (data.resource != null || values == null || !isPlain || bytes === 0 || bytes > MAX_WRITTEN) {
      super.uploadToGPU(dataId);
      return;
    }
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    // A buffer that comes back from the pool is no longer used by commands that wait: tfjs frees those after submitting.
    const buffer = this.bufferManager.acquireBuffer(bytes, usage);
    const numbers = values as Float32Array | Int32Array | Uint8Array;
    this.queue.writeBuffer(buffer, 0, dtype === 'float32' ? Float32Array.from(numbers) : Int32Array.from(numbers));
    data.resource = buffer;
    data.values = null as unknown as typeof values; // as tfjs does: the values live in one place
  }
}
