import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { util } from '@tensorflow/tfjs-core';
import { DeviceLostError, GpuMemoryError, type GpuTensor, inMiB } from './gpu-errors';

type DataId = Parameters<WebGPUBackend['uploadToGPU']>[0];

/** Bytes up to which the queue copies a tensor at once; larger ones go through a mapped buffer, as in tfjs. */
const MAX_WRITTEN = 2 ** 16;

/** Bytes from which it is asked of a new buffer whether there was memory for it. */
const LARGE = 2 ** 22;

/**
 * tfjs's backend with errors of its own, and another way up for small tensors. tfjs makes and destroys a mapped buffer for
 * each, which takes the driver a good part of a millisecond, and every number in an expression (`tf.mul(x, 0.5)`) is such a
 * tensor: a training step has thousands.
 */
export class QueuedUploadBackend extends WebGPUBackend {
  #lost: GPUDeviceLostInfo | null = null;
  /** The tensor whose buffer is being made. */
  #uploading: GpuTensor | null = null;
  readonly #questions = new Set<Promise<void>>();
  #noMemory: GpuMemoryError | null = null;

  constructor(device: GPUDevice, adapterInfo: GPUAdapterInfo) {
    super(device, adapterInfo);
    void device.lost.then((info) => {
      this.#lost = info;
    });
    this.#watchMemory();
    this.#keepLayouts();
  }

  /**
   * @throws GpuMemoryError where a tensor since the last reading had no memory: what was computed from it is void.
   * @throws DeviceLostError
   */
  override async read(dataId: DataId): ReturnType<WebGPUBackend['read']> {
    try {
      const values = await super.read(dataId);
      await this.#throwFailures();
      return values;
    } catch (error) {
      await this.#throwFailures(error);
      throw error;
    }
  }

  async #throwFailures(cause?: unknown): Promise<void> {
    await Promise.all(this.#questions);
    const error = this.#noMemory;
    this.#noMemory = null;
    if (error !== null) throw error;
    if (this.#lost !== null) throw new DeviceLostError(this.#lost.reason, this.#lost.message, { cause });
  }

  /** tfjs asks a pipeline for its layout at each dispatch, for which Dawn makes an object each time. */
  #keepLayouts(): void {
    const { device } = this;
    const keep = (pipeline: GPUComputePipeline) => {
      const layouts: GPUBindGroupLayout[] = [];
      const ask = pipeline.getBindGroupLayout.bind(pipeline);
      pipeline.getBindGroupLayout = (group) => {
        layouts[group] ??= ask(group);
        return layouts[group];
      };
      return pipeline;
    };
    const create = device.createComputePipeline.bind(device);
    device.createComputePipeline = (descriptor) => keep(create(descriptor));
    const createAsync = device.createComputePipelineAsync.bind(device);
    device.createComputePipelineAsync = async (descriptor) => keep(await createAsync(descriptor));
  }

  /** WebGPU answers later whether there was memory. A buffer without must not come back from the pool. */
  #watchMemory(): void {
    const { device, bufferManager } = this;
    const invalid = new WeakSet<GPUBuffer>();
    const createBuffer = device.createBuffer.bind(device);
    device.createBuffer = (descriptor) => {
      if (descriptor.size < LARGE) return createBuffer(descriptor);
      const tensor = this.#uploading;
      const held = this.memory().numBytesAllocatedInGPU;
      device.pushErrorScope('out-of-memory');
      const buffer = createBuffer(descriptor);
      const question = device.popErrorScope().then(
        (error) => {
          if (error === null) return;
          invalid.add(buffer);
          this.#noMemory ??= new GpuMemoryError(tensor, descriptor.size, `${inMiB(held)} are taken`);
        },
        () => {}, // the device is lost, which is told elsewhere
      );
      this.#questions.add(question);
      void question.then(() => this.#questions.delete(question));
      return buffer;
    };
    const releaseBuffer = bufferManager.releaseBuffer.bind(bufferManager);
    bufferManager.releaseBuffer = (buffer, reuse = true) => releaseBuffer(buffer, reuse && !invalid.has(buffer));
  }

  /** @throws GpuMemoryError where the tensor is larger than any buffer of the device. */
  override uploadToGPU(dataId: DataId): void {
    const { shape, dtype } = this.tensorMap.get(dataId);
    const { maxBufferSize, maxStorageBufferBindingSize } = this.device.limits;
    const most = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    const bytes = 4 * util.sizeFromShape(shape);
    if (bytes > most) {
      const which = most === maxBufferSize ? 'maxBufferSize' : 'maxStorageBufferBindingSize';
      throw new GpuMemoryError({ shape, dtype }, bytes, `the device's ${which} is ${inMiB(most)}`);
    }
    this.#uploading = { shape, dtype };
    this.#upload(dataId);
    this.#uploading = null;
  }

  #upload(dataId: DataId): void {
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
