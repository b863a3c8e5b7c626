import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';

/** Submits what is recorded and waits for the device. */
export async function drain(backend: WebGPUBackend): Promise<void> {
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
  await backend.queue.onSubmittedWorkDone();
}

/**
 * Runs for so many milliseconds. The clocks of an idle GPU are low, and take several hundred milliseconds of load to rise;
 * a pause to compile is enough for them to fall.
 */
export async function load(backend: WebGPUBackend, run: () => unknown, wanted: number): Promise<void> {
  const start = performance.now();
  do {
    for (let i = 0; i < 4; i++) run();
    await drain(backend);
  } while (performance.now() - start < wanted);
}

/** Milliseconds of one run, of as many as take about `wanted` milliseconds together, after `settle` milliseconds of them. */
export async function milliseconds(
  backend: WebGPUBackend,
  run: () => unknown,
  wanted: number,
  settle = 0,
): Promise<number> {
  run();
  await drain(backend);
  if (settle > 0) await load(backend, run, settle);
  for (let repeats = 2; ; ) {
    const start = performance.now();
    for (let i = 0; i < repeats; i++) run();
    await drain(backend);
    const elapsed = performance.now() - start;
    if (elapsed > wanted || repeats > 1000) return elapsed / repeats;
    repeats = Math.ceil(Math.max(2 * repeats, (1.3 * wanted * repeats) / Math.max(elapsed, 0.05)));
  }
}
