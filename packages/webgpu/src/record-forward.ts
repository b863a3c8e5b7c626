import { ArgumentError, checkShape } from '@sd/core';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

type BufferManager = WebGPUBackend['bufferManager'];
type DataId = TensorInfo['dataId'];

/** One dispatch as it was recorded. */
type Dispatch = {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number?, number?];
};

/** A forward pass as commands of the device. */
export type RecordedForward = {
  /** Dispatches of a pass. */
  readonly dispatches: number;
  /**
   * The pass on other inputs of the same shapes. @param inputs borrowed. @returns owned by the caller.
   * @throws {ShapeError} @throws {ArgumentError} after `dispose`.
   */
  replay(inputs: readonly Tensor[]): Tensor[];
  /** Frees the memory of the pass. */
  dispose(): void;
};

/**
 * Memory of a recording alone: what else runs between two replays must not get it. A buffer goes to a later tensor of
 * the same pass, except those that the CPU writes while recording, since replays do not write them again.
 */
class RecordingBuffers {
  numBytesUsed = 0;
  numBytesAllocated = 0;
  readonly pinned = new Set<GPUBuffer>();
  readonly #all = new Set<GPUBuffer>();
  readonly #free = new Map<string, GPUBuffer[]>();

  constructor(private readonly device: GPUDevice) {}

  acquireBuffer(size: number, usage: number, mappedAtCreation = false, reuse = true): GPUBuffer {
    const isUniform = (usage & GPUBufferUsage.UNIFORM) !== 0;
    const known = reuse && !isUniform ? this.#free.get(`${size}_${usage}`)?.pop() : undefined;
    const buffer = known ?? this.device.createBuffer({ size, usage, mappedAtCreation });
    this.#all.add(buffer);
    if (isUniform) this.pinned.add(buffer);
    return buffer;
  }

  releaseBuffer(buffer: GPUBuffer, reuse = true): void {
    if (this.pinned.has(buffer)) return;
    if (!reuse) {
      buffer.destroy();
      this.#all.delete(buffer);
      return;
    }
    const key = `${buffer.size}_${buffer.usage}`;
    this.#free.set(key, [...(this.#free.get(key) ?? []), buffer]);
  }

  has(buffer: GPUBuffer): boolean {
    return this.#all.has(buffer);
  }

  destroy(): void {
    for (const buffer of this.#all) buffer.destroy();
    this.#all.clear();
  }
}

/**
 * Records what `fn` dispatches, to be replayed on other inputs without JavaScript's part of it: graph, shapes, pipelines,
 * bindings. That part bounds a small network or a small batch, as in sampling.
 *
 * The pass must depend on its inputs by tensors alone: numbers that `fn` reads, such as a timestep, and everything that
 * tfjs computes from them on the CPU stay what they were. Weights stay those of the recording, also if they change.
 *
 * @param fn made of tfjs's operations, synchronous; its intermediate tensors are disposed.
 * @param inputs float32, of the shapes that replays will have. Borrowed.
 * @returns holds memory on the device until `dispose`.
 * @throws {ArgumentError} unless the active backend is webgpu.
 */
export function recordForward(
  fn: (...inputs: Tensor[]) => Tensor | Tensor[],
  inputs: readonly Tensor[],
): RecordedForward {
  if (tf.getBackend() !== 'webgpu') throw new ArgumentError('recordForward', 'backend', 'webgpu', tf.getBackend());
  for (const [i, { dtype }] of inputs.entries()) {
    if (dtype !== 'float32') throw new ArgumentError('recordForward', `inputs[${i}]`, 'float32', dtype);
  }
  const backend = tf.backend() as WebGPUBackend;
  tf.tidy(() => tf.dispose(fn(...inputs))); // allocates parameters and compiles pipelines, neither of which is to be recorded
  submit(backend);

  const shapes = inputs.map(({ shape }) => [...shape]);
  const buffers = new RecordingBuffers(backend.device);
  const held = new Set<DataId>();
  const dispatches: Dispatch[] = [];
  const restore = watch(backend, buffers, held, dispatches);
  let sources: GPUBuffer[];
  let results: { readonly buffer: GPUBuffer; readonly shape: number[]; readonly dtype: 'float32' | 'int32' | 'bool' }[];
  try {
    const stand = shapes.map((shape) => tf.engine().makeTensorFromTensorInfo(backend.makeTensorInfo(shape, 'float32')));
    sources = stand.map(({ dataId }) => bufferOf(backend, dataId));
    for (const source of sources) buffers.pinned.add(source);
    const outputs = [tf.tidy(() => fn(...stand))].flat() as Tensor[];
    results = outputs.map(({ dataId, shape, dtype }) => ({
      buffer: bufferOf(backend, dataId),
      shape: [...shape],
      dtype: dtype as 'float32',
    }));
    tf.dispose([outputs, stand]);
  } finally {
    submit(backend); // what was disposed goes back to the recording's own memory
    restore();
  }

  let isDisposed = false;
  return {
    dispatches: dispatches.length,
    replay(next) {
      if (isDisposed) throw new ArgumentError('RecordedForward.replay', 'recording', 'alive', 'disposed');
      if (next.length !== shapes.length) {
        throw new ArgumentError(
          'RecordedForward.replay',
          'inputs',
          `as many as were recorded, ${shapes.length}`,
          next.length,
        );
      }
      for (const [i, shape] of shapes.entries()) {
        checkShape('RecordedForward.replay', `inputs[${i}]`, next[i] as Tensor, shape);
      }
      const from = shapes.map((_, i) => bufferOf(backend, (next[i] as Tensor).dataId));
      const outputs = results.map(({ shape, dtype }) => backend.makeTensorInfo(shape, dtype));
      const to = outputs.map(({ dataId }) => bufferOf(backend, dataId));
      submit(backend);
      const encoder = backend.device.createCommandEncoder();
      for (const [i, source] of sources.entries()) {
        encoder.copyBufferToBuffer(from[i] as GPUBuffer, 0, source, 0, source.size);
      }
      const pass = encoder.beginComputePass();
      for (const { pipeline, bindGroup, workgroups } of dispatches) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(...workgroups);
      }
      pass.end();
      for (const [i, { buffer }] of results.entries()) {
        encoder.copyBufferToBuffer(buffer, 0, to[i] as GPUBuffer, 0, buffer.size);
      }
      backend.queue.submit([encoder.finish()]);
      return outputs.map((output) => tf.engine().makeTensorFromTensorInfo(output));
    },
    dispose() {
      if (isDisposed) return;
      isDisposed = true;
      for (const dataId of held) backend.disposeData(dataId);
      buffers.destroy();
    },
  };
}

function bufferOf(backend: WebGPUBackend, dataId: DataId): GPUBuffer {
  backend.uploadToGPU(dataId);
  return backend.tensorMap.get(dataId).resource as GPUBuffer;
}

function submit(backend: WebGPUBackend): void {
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
}

/** Has the backend take memory from `buffers`, and notes tensors from outside that it binds, and dispatches. */
function watch(
  backend: WebGPUBackend,
  buffers: RecordingBuffers,
  held: Set<DataId>,
  dispatches: Dispatch[],
): () => void {
  const { device, bufferManager } = backend;
  const owned = backend as { -readonly [K in 'uploadToGPU' | 'runWebGPUProgram']?: WebGPUBackend[K] };
  const [upload, runProgram] = [backend.uploadToGPU.bind(backend), backend.runWebGPUProgram.bind(backend)];
  const createEncoder = device.createCommandEncoder.bind(device);
  backend.bufferManager = buffers as unknown as BufferManager;
  backend.uploadToGPU = (dataId) => {
    const isFromCpu = backend.tensorMap.get(dataId).values != null;
    upload(dataId);
    if (isFromCpu) buffers.pinned.add(backend.tensorMap.get(dataId).resource as GPUBuffer);
  };
  backend.runWebGPUProgram = (program, inputs, ...rest) => {
    const output = runProgram(program, inputs, ...rest);
    for (const { dataId } of inputs) {
      if (held.has(dataId) || buffers.has(backend.tensorMap.get(dataId).resource as GPUBuffer)) continue;
      backend.incRef(dataId);
      held.add(dataId);
    }
    return output;
  };
  device.createCommandEncoder = (...options) => {
    const encoder = createEncoder(...options);
    const beginPass = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = (...passOptions) => listen(beginPass(...passOptions), dispatches);
    return encoder;
  };
  return () => {
    backend.bufferManager = bufferManager;
    delete owned.uploadToGPU;
    delete owned.runWebGPUProgram;
    delete (device as { createCommandEncoder?: unknown }).createCommandEncoder;
  };
}

function listen(pass: GPUComputePassEncoder, dispatches: Dispatch[]): GPUComputePassEncoder {
  let [pipeline, bindGroup]: [GPUComputePipeline?, GPUBindGroup?] = [];
  const [setPipeline, setBindGroup, dispatch] = [
    pass.setPipeline.bind(pass),
    pass.setBindGroup.bind(pass) as (index: number, group: GPUBindGroup) => undefined,
    pass.dispatchWorkgroups.bind(pass),
  ];
  pass.setPipeline = (next) => {
    pipeline = next;
    return setPipeline(next);
  };
  pass.setBindGroup = ((index: number, next: GPUBindGroup) => {
    bindGroup = next;
    return setBindGroup(index, next);
  }) as typeof pass.setBindGroup;
  pass.dispatchWorkgroups = (...workgroups) => {
    dispatches.push({ pipeline: pipeline as GPUComputePipeline, bindGroup: bindGroup as GPUBindGroup, workgroups });
    return dispatch(...workgroups);
  };
  return pass;
}
