import { type BackendName, useBackend } from '@sd/backend';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe } from 'vitest';

const anywhere: readonly BackendName[] = ['cpu', 'wasm'];

/**
 * One suite per backend, which is set before the suite's own hooks and tests run. cpu and wasm must start everywhere;
 * where webgpu (SwiftShader if there is no GPU) or cuda cannot, the suite's tests are reported as skipped, with the
 * reason in the suite's name. On webgpu a test also fails if WebGPU finds an invalid shader or call in it, which tfjs
 * itself does not report. `SD_BACKENDS`, names with commas between, replaces the list of every suite.
 */
export function describeBackends(names: readonly BackendName[] = anywhere, body: (name: BackendName) => void): void {
  const chosen = process.env.SD_BACKENDS?.split(',') as BackendName[] | undefined;
  for (const name of chosen ?? names) {
    describe(name, async () => {
      const reason = anywhere.includes(name) ? null : await whyNot(name);
      if (reason !== null) {
        console.warn(`skipped on ${name}: ${reason}`);
        describe.skip(`skipped: ${reason}`, () => body(name));
        return;
      }
      beforeAll(async () => {
        await useBackend(name, { allowSoftware: true });
      });
      if (name === 'webgpu') catchInvalidCalls();
      body(name);
    });
  }
}

async function whyNot(name: BackendName): Promise<string | null> {
  try {
    await useBackend(name, { allowSoftware: true });
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

type WebgpuBackend = tf.KernelBackend & {
  readonly device: GPUDevice;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
};

function catchInvalidCalls(): void {
  let watched: GPUDevice | null = null;
  beforeEach(() => {
    // A test may have released or changed the backend.
    watched = tf.getBackend() === 'webgpu' ? (tf.backend() as WebgpuBackend).device : null;
    watched?.pushErrorScope('validation');
  });
  afterEach(async () => {
    if (watched === null || tf.getBackend() !== 'webgpu') return;
    const backend = tf.backend() as WebgpuBackend;
    if (backend.device !== watched) return;
    backend.ensureCommandEncoderReady();
    backend.endComputePassEncoder(); // left open by a test that read no result
    backend.submitQueue();
    const error = await watched.popErrorScope();
    if (error !== null) throw new Error(`WebGPU: ${error.message}`);
  });
}
