// The SD FFHQ UNet on this machine's cores: a forward pass at batch 1 and a training step at batch 2 on the WebAssembly
// backend, on one thread and on several, then the same weights in PyTorch (bench/torch-unet.py) where there is one, in one
// run. `pnpm bench:wasm-unet`; `--python /usr/bin/python3 --threads 2` for PyTorch and the number of threads. The floor: the
// operations at the rate of a large matrix product on as many threads, which keeps SIMD busy.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { releaseBackend, useBackend } from '@sd/backend';
import { float32View, writeSafetensors } from '@sd/checkpoint';
import { normal, randomKey } from '@sd/core';
import { valueAndGradients } from '@sd/nn';
import { AdamW } from '@sd/nn/optim';
import { countMacs, presets, UNet } from '@sd/unet';
import * as tf from '@tensorflow/tfjs-core';

type State = Map<string, ReturnType<typeof float32View>>;

const { values: options } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '5' },
  },
});
const runs = Number(options.runs);
const SQUARE = 768;
const config = presets['sd-ffhq'];
const flops = 2 * countMacs(config);

tf.enableProdMode();

/** The least of several runs, in milliseconds, after one that is not counted. */
async function milliseconds(run: () => tf.Tensor, count = runs): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i <= count; i++) {
    const begin = performance.now();
    const result = run();
    await result.data();
    if (i > 0) least = Math.min(least, performance.now() - begin);
    result.dispose();
  }
  return least;
}

/** Random weights, those too that begin at zero, as such layers would hide what comes before them from the comparison. */
async function randomState(): Promise<State> {
  const model = new UNet(config).initialize(randomKey(1));
  const state: State = new Map();
  let seed = 0;
  for (const [name, { data, shape }] of await model.stateDict()) {
    const values = new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4);
    const isZero = values.every((value) => value === 0) && shape.length > 1;
    const drawn = isZero ? tf.tidy(() => tf.mul(normal(randomKey(1000 + seed++), [...shape]), 0.02)) : null;
    state.set(name, drawn ? float32View((await drawn.data()) as Float32Array, shape) : { data, shape, dtype: 'F32' });
    drawn?.dispose();
  }
  model.dispose();
  return state;
}

/** An input and what the model makes of it, as PyTorch lays images out. */
async function example(model: UNet, x: tf.Tensor4D): Promise<State> {
  const pair = tf.tidy(() => [x, model.forward(x, 500)].map((tensor) => tf.transpose(tensor, [0, 3, 1, 2])));
  const views = await Promise.all(
    pair.map(async (tensor) => float32View((await tensor.data()) as Float32Array, tensor.shape)),
  );
  tf.dispose(pair);
  return new Map(['image', 'expected'].map((name, i) => [name, views[i] as (typeof views)[number]]));
}

/** Prints the times on the backend as it is. @returns the example */
async function measure(state: State): Promise<State> {
  const model = new UNet(config).initialize(randomKey(1));
  model.loadStateDict(state);
  const optimizer = new AdamW(model.parameters(), { learningRate: 1e-6 });
  const [x, two] = [1, 2].map((batch) => normal(randomKey(2), [batch, 64, 64, 3])) as [tf.Tensor4D, tf.Tensor4D];
  const [a, b] = [3, 4].map((key) => normal(randomKey(key), [SQUARE, SQUARE])) as [tf.Tensor2D, tf.Tensor2D];
  const pair = await example(model, x);
  const perMs = (2 * SQUARE ** 3) / (await milliseconds(() => tf.matMul(a, b), 5 * runs));
  console.log(`  a matrix product of ${SQUARE}: ${(perMs / 1e6).toFixed(1)} GFLOP/s`);
  const report = (name: string, work: number, ms: number) => {
    const floor = work / perMs;
    const rate = `${(work / ms / 1e6).toFixed(1)} GFLOP/s, floor ${floor.toFixed(0)} ms`;
    console.log(`  ${name}: ${ms.toFixed(0)} ms, ${rate}, ${((100 * floor) / ms).toFixed(0)} % of it`);
  };
  report('forward, batch 1', flops, await milliseconds(() => model.forward(x, 500), 5 * runs));
  const step = () => {
    const loss = () => tf.mean(tf.square(model.forward(two, 500))) as tf.Scalar;
    const { value, gradients } = valueAndGradients(loss, model.parameters());
    optimizer.clippedUpdate(gradients, { maxNorm: 1 }).dispose();
    tf.dispose([...gradients.values()]);
    return value;
  };
  report('training step, batch 2', 6 * flops, await milliseconds(step));
  optimizer.dispose();
  model.dispose();
  tf.dispose([x, two, a, b]);
  return pair;
}

function comparePyTorch(tensors: State): void {
  const folder = mkdtempSync(join(tmpdir(), 'wasm-unet-'));
  try {
    const file = join(folder, 'unet.safetensors');
    writeFileSync(file, writeSafetensors(tensors));
    const peer = fileURLToPath(new URL('./torch-unet.py', import.meta.url));
    const { stdout, stderr, status } = spawnSync(options.python, [peer, file, options.threads, options.runs], {
      encoding: 'utf8',
    });
    console.log(status === 0 ? stdout.trim() : `no PyTorch: ${stderr?.trim().split('\n').at(-1)}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

console.log((await useBackend('wasm')).explanation);
const state = await randomState();
let pair = await measure(state);
const threads = Number(options.threads);
if (threads > 1) {
  console.log((await useBackend('wasm', { threads })).explanation);
  pair = await measure(state);
}
await releaseBackend();
comparePyTorch(new Map([...state, ...pair]));
process.exit(0);
