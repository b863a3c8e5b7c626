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

export type RecordForwardOptions = {
  /**
   * `held`, the default: those of the recording, also if they change or are disposed. `live`: as they are at each replay,
   * for weights that change in place, as `AdamW` of @sd/nn changes them with this package's kernels. Where they were
   * replaced or disposed instead, the recording is no longer current.
   */
  readonly weights?: 'held' | 'live';
};

/** A forward pass as commands of the device. */
export type RecordedForward = {
  /** Dispatches of a pass. */
  readonly dispatches: number;
  /** Of the device's memory, for what is computed on the way. */
  readonly bytes: number;
  /** Whether live weights lie where they lay when the pass was recorded; else it cannot be replayed. */
  isCurrent(): boolean;
  /**
   * The pass on other inputs of the same shapes. @param inputs borrowed. @returns owned by the caller.
   * @throws {ShapeError} @throws {ArgumentError} after `dispose`, and where the recording is not current.
   */
  replay(inputs: readonly Tensor[]): Tensor[];
  /** Frees the memory of the pass. */
  dispose(): void;
};

/**
 * Memory of a recording alone: what else runs between two replays must not get it. A buffer goes to a later tensor of
 * the same pass, except those that the CPU writes while recording, since replays do not write them again: they belong to
 * one tensor.
 */
class RecordingBuffers {
  numBytesUsed = 0;
  numBytesAllocated = 0;
  readonly pinned = new Set<GPUBuffer>();
  /** Whether the CPU is about to write what is acquired: earlier commands of a replay must not have it, either. */
  isForCpu = false;
  readonly #all = new Set<GPUBuffer>();
  readonly #free = new Map<string, GPUBuffer[]>();

  constructor(private readonly device: GPUDevice) {}

  acquireBuffer(size: number, usage: number, mappedAtCreation = false, reuse = true): GPUBuffer {
    const isUniform = (usage & GPUBufferUsage.UNIFORM) !== 0;
    const known = reuse && !isUniform && !this.isForCpu ? this.#free.get(`${size}_${usage}`)?.pop() : undefined;
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

  get bytes(): number {
    return [...this.#all].reduce((sum, { size }) => sum + size, 0);
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
 * tfjs computes from them on the CPU stay what they were. A pass may hold a gradient: its results are then outputs.
 *
 * @param fn made of tfjs's operations, synchronous; its intermediate tensors are disposed.
 * @param inputs float32, of the shapes that replays will have. Borrowed.
 * @returns holds memory on the device until `dispose`.
 * @throws {ArgumentError} unless the active backend is webgpu.
 */
export function recordForward(
  fn: (...inputs: Tensor[]) => Tensor | Tensor[],
  inputs: readonly Tensor[],
  { weights = 'held' }: RecordForwardOptions = {},
): RecordedForward {
  if (tf.getBackend() !== 'webgpu') throw new ArgumentError('recordForward', 'backend', 'webgpu', tf.getBackend());
  for (const [i, { dtype }] of inputs.entries()) {
    if (dtype !== 'float32') throw new ArgumentError('recordForward', `inputs[${i}]`, 'float32', dtype);
  }
  const backend = tf.backend() as WebGPUBackend;
  // Allocates parameters and compiles pipelines, neither of which is to be recorded; nor is small work left to the CPU.
  const cpuForward = tf.env().getBool(CPU_FORWARD);
  tf.env().set(CPU_FORWARD, false);
  try {
    tf.tidy(() => tf.dispose(fn(...inputs)));
  } finally {
    tf.env().set(CPU_FORWARD, cpuForward);
  }
  submit(backend);
  freePool(backend);

  const shapes = inputs.map(({ shape }) => [...shape]);
  const buffers = new RecordingBuffers(backend.device);
  const outside = new Map<DataId, GPUBuffer>();
  const dispatches: Dispatch[] = [];
  const restore = watch(backend, buffers, dispatches, (dataId, buffer) => {
    if (outside.has(dataId)) return;
    if (weights === 'held') backend.incRef(dataId);
    outside.set(dataId, buffer);
  });
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
  const lies = (dataId: DataId, buffer: GPUBuffer) =>
    backend.tensorMap.has(dataId) && backend.tensorMap.get(dataId).resource === buffer;
  const isCurrent = () => weights === 'held' || [...outside].every(([dataId, buffer]) => lies(dataId, buffer));
  return {
    dispatches: dispatches.length,
    bytes: buffers.bytes,
    isCurrent,
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
      if (!isCurrent()) {
        throw new ArgumentError(
          'RecordedForward.replay',
          'weights',
          'where they were recorded',
          'replaced or disposed',
        );
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
      if (weights === 'held') for (const dataId of outside.keys()) backend.disposeData(dataId);
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

/** Destroys what lies free in the backend's pool: the pass that came before took as much as the recording will. */
function freePool({ bufferManager }: WebGPUBackend): void {
  const { freeBuffers } = bufferManager as unknown as {
    readonly freeBuffers: ReadonlyMap<string, readonly GPUBuffer[]>;
  };
  for (const free of freeBuffers.values()) {
    for (const { size, usage } of [...free])
      bufferManager.releaseBuffer(bufferManager.acquireBuffer(size, usage), false);
  }
}

/** Whether small work on tensors that are not yet on the device is done by the CPU. */
const CPU_FORWARD = 'WEBGPU_CPU_FORWARD';
/** Commands before a submission, after which memory is free again: while recording, at once. */
const SUBMIT_AFTER = 'WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE';

/** Has the backend take memory from `buffers`, and notes dispatches and the tensors from outside that they bind. */
function watch(
  backend: WebGPUBackend,
  buffers: RecordingBuffers,
  dispatches: Dispatch[],
  onOutside: (dataId: DataId, buffer: GPUBuffer) => void,
): () => void {
  const { device, bufferManager } = backend;
  const owned = backend as { -readonly [K in 'uploadToGPU']?: WebGPUBackend[K] };
  const upload = backend.uploadToGPU.bind(backend);
  const createEncoder = device.createCommandEncoder.bind(device);
  const submitAfter = tf.env().getNumber(SUBMIT_AFTER);
  tf.env().set(SUBMIT_AFTER, 1);
  backend.bufferManager = buffers as unknown as BufferManager;
  // Whatever is bound comes by here first.
  backend.uploadToGPU = (dataId) => {
    const isFromCpu = backend.tensorMap.get(dataId).values != null;
    buffers.isForCpu = isFromCpu;
    upload(dataId);
    buffers.isForCpu = false;
    const buffer = backend.tensorMap.get(dataId).resource as GPUBuffer;
    if (isFromCpu) buffers.pinned.add(buffer);
    if (!buffers.has(buffer)) onOutside(dataId, buffer);
  };
  device.createCommandEncoder = (...options) => {
    const encoder = createEncoder(...options);
    const beginPass = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = (...passOptions) => listen(beginPass(...passOptions), dispatches);
    return encoder;
  };
  return () => {
    backend.bufferManager = bufferManager;
    tf.env().set(SUBMIT_AFTER, submitAfter);
    delete owned.uploadToGPU;
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
