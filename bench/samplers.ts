import '@tensorflow/tfjs';
import { useBackend } from '@sd/backend';
import { normal, randomKey } from '@sd/core';
import * as tf from '@tensorflow/tfjs-core';
import { schedulerClasses, schedulerFromConfig } from '../packages/schedulers/src/scheduler-from-config';

// What a sampler costs beside its model:  npx pnpm@10 bench:samplers [backend] [size] [batch]
// The floor is the same number of calls of a model that only copies its input, and of nothing else; a sampler's overhead is
// the time of its run beyond that, for each call of the model. Medians of 5 runs of 20 steps after a warm-up, drained.

const [backend = 'wasm', size = '64', batch = '4'] = process.argv.slice(2);
const RUNS = 5;
const STEPS = 20;

const info = await useBackend(backend as 'wasm' | 'cpu');
const shape: [number, number, number, number] = [Number(batch), Number(size), Number(size), 4];
const x = normal(randomKey(1), shape) as tf.Tensor4D;
const noise = normal(randomKey(2), shape);
const model = (input: tf.Tensor4D) => tf.mul(input, 0.5) as tf.Tensor4D;

async function median(run: () => Promise<tf.Tensor>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i <= RUNS; i++) {
    const started = performance.now();
    const result = await run();
    await result.data();
    if (i > 0) times.push(performance.now() - started);
    result.dispose();
  }
  return times.sort((a, b) => a - b)[Math.floor(RUNS / 2)];
}

async function floor(calls: number): Promise<tf.Tensor> {
  let current = tf.clone(x);
  for (let i = 0; i < calls; i++) {
    const next = model(current);
    current.dispose();
    current = next;
    await Promise.resolve();
  }
  return current;
}

console.log(`${info.name}; [${shape}], ${STEPS} steps, median of ${RUNS}; milliseconds for each call of the model`);
console.log(
  'sampler'.padEnd(34),
  'calls'.padStart(6),
  'floor'.padStart(8),
  'sampler'.padStart(8),
  'overhead'.padStart(9),
);
for (const name of schedulerClasses.keys()) {
  const jumps = name === 'RePaintScheduler' ? { jump_n_sample: 2 } : {};
  const scheduler = schedulerFromConfig({ _class_name: name, clip_sample: false, ...jumps });
  const calls = scheduler.plan({ steps: STEPS }).filter(({ skipsModel }) => !skipsModel).length;
  const base = (await median(() => floor(calls))) / calls;
  const options = { steps: STEPS, noise: () => tf.clone(noise) };
  const whole = (await median(() => scheduler.sample(model, x, options))) / calls;
  const cells = [base, whole, whole - base].map((value, i) => value.toFixed(3).padStart(i === 2 ? 9 : 8));
  console.log(name.padEnd(34), String(calls).padStart(6), ...cells);
}
