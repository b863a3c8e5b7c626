import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';

/** Submits what is recorded and waits for the device. */
export async function drain(backend: WebGPUBackend): Promise<void> {
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
  await backend.queue.onSubmittedWorkDone();
}

/** Milliseconds of one run, of as many as take about `wanted` milliseconds together, after one to compile. */
export async function milliseconds(backend: WebGPUBackend, run: () => unknown, wanted: number): Promise<number> {
  run();
  await drain(backend);
  for (let repeats = 2; ; ) {
    const start = performance.now();
    for (let i = 0; i < repeats; i++) run();
    await drain(backend);
    const elapsed = performance.now() - start;
    if (elapsed > wanted || repeats > 1000) return elapsed / repeats;
    repeats = Math.ceil(Math.max(2 * repeats, (1.3 * wanted * repeats) / Math.max(elapsed, 0.05)));
  }
}
