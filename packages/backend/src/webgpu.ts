import * as tf from '@tensorflow/tfjs-core';
import { BackendError } from './backend-error';
import type { BackendOptions, StartedBackend } from './backend-info';
import { describeAdapter, isSoftware, requestAdapter, requestDevice } from './gpu-device';
import { onNode } from './runtime';

type Current = { readonly device: GPUDevice; readonly software: boolean; readonly started: StartedBackend };
let current: Current | null = null;

const COMMANDS_BEFORE_SUBMISSION = 64;

/**
 * tfjs's WebGPU backend on a device of our own: the browser's WebGPU, on Node Dawn's.
 * Started once; until `releaseWebgpu` or the loss of the device, further calls switch to the same one.
 * @throws BackendError where there is no WebGPU, no adapter, or only a software adapter that is not allowed.
 */
export async function startWebgpu({ allowSoftware = softwareAllowed() }: BackendOptions = {}): Promise<StartedBackend> {
  if (current !== null && (allowSoftware || !current.software)) {
    await tf.setBackend('webgpu');
    return current.started;
  }
  await releaseWebgpu();
  try {
    current = await start(allowSoftware);
  } catch (error) {
    await hideDawn();
    throw error;
  }
  return current.started;
}

/** Destroys the device with every tensor on it, and lets a Node process exit. */
export async function releaseWebgpu(): Promise<void> {
  if (current !== null) {
    const { device } = current;
    current = null;
    if (tf.findBackendFactory('webgpu') !== null) tf.removeBackend('webgpu');
    device.destroy();
    await device.lost;
  }
  await hideDawn();
}

async function start(allowSoftware: boolean): Promise<Current> {
  const gpu = onNode() ? await (await import('./node/dawn')).startDawn() : browserGpu();
  const adapter = await requestAdapter(gpu, allowSoftware);
  const device = await requestDevice(adapter);
  // Dawn tells the shapes of the matrix units by the adapter alone.
  Object.defineProperty(device, 'adapterInfo', { value: adapter.info, configurable: true });
  const { QueuedUploadBackend } = await import('./webgpu-backend');
  // Importing it registered a factory that would make a device without f16 and subgroups.
  if (tf.findBackendFactory('webgpu') !== null) tf.removeBackend('webgpu');
  tf.registerBackend('webgpu', () => new QueuedUploadBackend(device, adapter.info), 3);
  // Commands before a submission: 15 in tfjs, whose cost shows where networks are small.
  tf.env().set('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE', COMMANDS_BEFORE_SUBMISSION);
  if (!(await tf.setBackend('webgpu'))) throw new BackendError('webgpu', 'tfjs refused the device');
  const lost = device.lost.then(({ reason, message }) => {
    if (current?.device === device) current = null;
    return `${reason}: ${message}`;
  });
  return {
    device,
    software: isSoftware(adapter.info),
    started: { name: 'webgpu', device: describeAdapter(adapter.info), canTrain: true, lost },
  };
}

function browserGpu(): GPU {
  if (typeof navigator === 'undefined' || !navigator.gpu) {
    const secure = globalThis.isSecureContext === false ? ' outside https and localhost' : '';
    throw new BackendError('webgpu', `this browser has no WebGPU${secure}`);
  }
  return navigator.gpu;
}

async function hideDawn(): Promise<void> {
  if (onNode()) (await import('./node/dawn')).hideDawn();
}

function softwareAllowed(): boolean {
  return onNode() && process.env.SD_ALLOW_SOFTWARE_WEBGPU === '1';
}
