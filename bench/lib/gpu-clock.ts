import { recordForward } from '@sd/webgpu';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';

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

/** Runs that are recorded one after another: JavaScript's part of one of them, and of a submission, is a share of theirs. */
const RECORDED = 16;

/**
 * Milliseconds of one run on the device: the fastest of several recordings of many runs, of about `wanted` milliseconds
 * together. What a call from JavaScript costs is not in it, some 50 microseconds.
 */
export async function deviceMilliseconds(
  backend: WebGPUBackend,
  run: () => unknown,
  wanted: number,
  settle = 0,
): Promise<number> {
  run();
  await drain(backend);
  if (settle > 0) await load(backend, run, settle);
  const input = tf.zeros([1]);
  const recorded = recordForward(
    (x) => {
      for (let i = 0; i < RECORDED; i++) run();
      return tf.add(x as tf.Tensor, 1);
    },
    [input],
  );
  const replay = () => tf.dispose(recorded.replay([input]));
  const times = async (replays: number) => {
    const start = performance.now();
    for (let i = 0; i < replays; i++) replay();
    await drain(backend);
    return (performance.now() - start) / replays / RECORDED;
  };
  const first = await times(1);
  const replays = Math.max(1, Math.ceil(wanted / 4 / first / RECORDED));
  let fastest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 4; i++) fastest = Math.min(fastest, await times(replays));
  recorded.dispose();
  input.dispose();
  return fastest;
}
