import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';

/** Numbers of a shader, `u32` by default. They lie in memory as an array of 32-bit words. */
export type Word = number | { readonly f32: number };

/**
 * A compute shader in whole. Binding 0 is its uniform words, the following ones are `buffers` in turn. It finds out its
 * workgroup's number by `GROUP_NUMBER`.
 */
export type Command = {
  /** Names the pipeline: commands of one key must have the same code. */
  readonly key: string;
  readonly code: () => string;
  readonly buffers: readonly GPUBuffer[];
  readonly words: readonly Word[];
  readonly workgroups: number;
};

/** WGSL parameters of an entry point, and its workgroup's number: a dimension takes only 65,535 workgroups. */
export const ENTRY_PARAMETERS = `@builtin(workgroup_id) workgroup : vec3<u32>,
  @builtin(num_workgroups) workgroups : vec3<u32>, @builtin(local_invocation_index) lane : u32`;
export const GROUP_NUMBER = 'workgroup.y * workgroups.x + workgroup.x';

const MAX_WORKGROUPS = 65535;
/** The alignment of parts of a uniform buffer that every device takes. */
const UNIFORM_ALIGNMENT = 256;
const STORAGE = () => GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST; // as tfjs's tensors

const pipelines = new WeakMap<GPUDevice, Map<string, GPUComputePipeline>>();

/**
 * Dispatches that may write several buffers, in place too, which tfjs's programs cannot; they all go to the device in
 * one command buffer, after what tfjs has recorded so far. Only public members of tfjs's backend are used.
 */
export class CommandBatch {
  readonly #scratch: GPUBuffer[] = [];
  readonly #copies: (readonly [from: GPUBuffer, to: GPUBuffer])[] = [];
  readonly #commands: Command[] = [];

  constructor(readonly backend: WebGPUBackend) {}

  /** Storage buffers that a command may have. */
  get maxBuffers(): number {
    return this.backend.device.limits.maxStorageBuffersPerShaderStage;
  }

  /** The buffer of a tensor, to be read. */
  read({ dataId }: TensorInfo): GPUBuffer {
    this.backend.uploadToGPU(dataId);
    return this.backend.tensorMap.get(dataId).resource as GPUBuffer;
  }

  /** A new tensor of float32. Its values are those that a command gives it. */
  create(shape: readonly number[]): { readonly tensor: TensorInfo; readonly buffer: GPUBuffer } {
    const tensor = this.backend.makeTensorInfo([...shape], 'float32');
    return { tensor, buffer: this.read(tensor) };
  }

  /**
   * A tensor with the values of another, to be overwritten: the same memory where nothing but the caller holds it, else a
   * copy.
   * @param input borrowed. @returns owned by the caller.
   */
  overwrite(input: TensorInfo): { readonly tensor: TensorInfo; readonly buffer: GPUBuffer } {
    const { backend } = this;
    const buffer = this.read(input);
    if (backend.refCount(input.dataId) > 1) {
      const copy = this.create(input.shape);
      this.#copies.push([buffer, copy.buffer]);
      return copy;
    }
    backend.incRef(input.dataId);
    backend.tensorMap.get(input.dataId).values = null as unknown as Float32Array; // what was read back before
    return { tensor: { dataId: input.dataId, shape: input.shape, dtype: input.dtype }, buffer };
  }

  /** Memory for `size` float32 that lasts until the batch is submitted. */
  scratch(size: number): GPUBuffer {
    const buffer = this.backend.bufferManager.acquireBuffer(4 * size, STORAGE());
    this.#scratch.push(buffer);
    return buffer;
  }

  add(command: Command): void {
    this.#commands.push(command);
  }

  submit(): void {
    const { backend } = this;
    const { device, queue, bufferManager } = backend;
    backend.ensureCommandEncoderReady();
    backend.endComputePassEncoder();
    backend.submitQueue();
    const uniforms = this.#uniforms();
    const encoder = device.createCommandEncoder();
    for (const [from, to] of this.#copies) encoder.copyBufferToBuffer(from, 0, to, 0, from.size);
    const pass = encoder.beginComputePass();
    for (const [i, command] of this.#commands.entries()) {
      const pipeline = pipelineOf(device, command);
      const resources = [
        { ...uniforms.parts[i], buffer: uniforms.buffer },
        ...command.buffers.map((buffer) => ({ buffer })),
      ];
      const entries = resources.map((resource, binding) => ({ binding, resource }));
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
      const x = Math.min(command.workgroups, MAX_WORKGROUPS);
      pass.dispatchWorkgroups(x, Math.ceil(command.workgroups / x));
    }
    pass.end();
    queue.submit([encoder.finish()]);
    // The queue runs in order: what gets this memory next runs later.
    for (const buffer of [uniforms.buffer, ...this.#scratch]) bufferManager.releaseBuffer(buffer);
  }

  /** The words of all commands in one buffer. */
  #uniforms(): { readonly buffer: GPUBuffer; readonly parts: readonly { offset: number; size: number }[] } {
    let total = 0;
    const parts = this.#commands.map(({ words }) => {
      const part = { offset: total, size: 16 * Math.ceil(words.length / 4) };
      total += UNIFORM_ALIGNMENT * Math.ceil(part.size / UNIFORM_ALIGNMENT);
      return part;
    });
    const view = new DataView(new ArrayBuffer(total));
    for (const [i, { words }] of this.#commands.entries()) {
      for (const [k, word] of words.entries()) {
        const at = (parts[i] as { offset: number }).offset + 4 * k;
        if (typeof word === 'number') view.setUint32(at, word, true);
        else view.setFloat32(at, word.f32, true);
      }
    }
    const { bufferManager, queue } = this.backend;
    const buffer = bufferManager.acquireBuffer(total, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    queue.writeBuffer(buffer, 0, view.buffer);
    return { buffer, parts };
  }
}

function pipelineOf(device: GPUDevice, { key, code }: Command): GPUComputePipeline {
  const known = pipelines.get(device) ?? new Map<string, GPUComputePipeline>();
  pipelines.set(device, known);
  let pipeline = known.get(key);
  if (!pipeline) {
    const module = device.createShaderModule({ code: code(), label: key });
    pipeline = device.createComputePipeline({ compute: { module, entryPoint: 'main' }, layout: 'auto', label: key });
    known.set(key, pipeline);
  }
  return pipeline;
}

/** Values of a tensor. */
export function sizeOf({ shape }: TensorInfo): number {
  return util.sizeFromShape(shape);
}
