// Where a forward pass (batch 1) and a training step (batch 2) of the SD FFHQ UNet spend their time on WebAssembly, kernel by
// kernel. `pnpm exec tsx bench/profile-wasm.ts [threads]`
import '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { availableParallelism } from 'node:os';
import { useBackend } from '@sd/backend';
import { normal, randomKey } from '@sd/core';
import { valueAndGradients } from '@sd/nn';
import { AdamW } from '@sd/nn/optim';
import { presets, UNet } from '@sd/unet';
import * as tf from '@tensorflow/tfjs-core';

const RUNS = 3;
const threads = Number(process.argv[2] ?? Math.min(2, availableParallelism()));
tf.enableProdMode();
console.log((await useBackend('wasm', { threads })).explanation);

const times = new Map<string, { ms: number; calls: number }>();
/** Milliseconds within each kernel that runs now, of kernels that it called. */
const inner: number[] = [];

for (const config of tf.getKernelsForBackend('wasm')) {
  const { kernelName, kernelFunc } = config;
  const timed: tf.KernelFunc = (args) => {
    inner.push(0);
    const begin = performance.now();
    try {
      return kernelFunc(args);
    } finally {
      const ms = performance.now() - begin;
      const entry = times.get(kernelName) ?? { ms: 0, calls: 0 };
      times.set(kernelName, { ms: entry.ms + ms - (inner.pop() as number), calls: entry.calls + 1 });
      if (inner.length > 0) inner.push((inner.pop() as number) + ms);
    }
  };
  tf.unregisterKernel(kernelName, 'wasm');
  tf.registerKernel({ ...config, kernelFunc: timed });
}

async function profile(title: string, run: () => tf.Tensor): Promise<void> {
  const once = async () => {
    const result = run();
    await result.data();
    result.dispose();
  };
  await once();
  times.clear();
  const begin = performance.now();
  for (let i = 0; i < RUNS; i++) await once();
  const all = (performance.now() - begin) / RUNS;
  const rows = [...times].map(([name, { ms, calls }]) => ({ name, ms: ms / RUNS, calls: calls / RUNS }));
  const kernels = rows.reduce((sum, { ms }) => sum + ms, 0);
  console.log(`${title}: ${all.toFixed(0)} ms, of it ${(all - kernels).toFixed(0)} ms outside of kernels`);
  for (const { name, ms, calls } of rows.sort((a, b) => b.ms - a.ms).slice(0, 14)) {
    console.log(`${ms.toFixed(1).padStart(9)} ms ${calls.toFixed(0).padStart(5)} x ${name}`);
  }
}

const model = new UNet(presets['sd-ffhq']).initialize(randomKey(1));
const optimizer = new AdamW(model.parameters(), { learningRate: 1e-6 });
const [x, two] = [1, 2].map((batch) => normal(randomKey(2), [batch, 64, 64, 3])) as [tf.Tensor4D, tf.Tensor4D];
await profile('forward, batch 1', () => model.forward(x, 500));
await profile('training step, batch 2', () => {
  const loss = () => tf.mean(tf.square(model.forward(two, 500))) as tf.Scalar;
  const { value, gradients } = valueAndGradients(loss, model.parameters());
  optimizer.clippedUpdate(gradients, { maxNorm: 1 }).dispose();
  tf.dispose([...gradients.values()]);
  return value;
});
process.exit(0);
