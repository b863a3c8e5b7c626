// What training costs on WebGPU with tfjs's kernels alone and with registerWebGPUKernels: dispatches of an operation and of
// a step, and the time of a step. `pnpm bench:webgpu`; with `--count` nothing is timed, which a software adapter can do, too
// (SD_ALLOW_SOFTWARE_WEBGPU=1).
import '@tensorflow/tfjs';
import { parseArgs } from 'node:util';
import { releaseBackend, useBackend } from '@sd/backend';
import { normal, randomKey } from '@sd/core';
import { groupNorm, Module, silu, valueAndGradients, zeros } from '@sd/nn';
import { AdamW, ExponentialMovingAverage } from '@sd/nn/optim';
import { UNet, type UNetConfig } from '@sd/unet';
import { registerWebGPUKernels } from '@sd/webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { countDispatches } from '../testing/count-dispatches';

const { values: options } = parseArgs({ options: { count: { type: 'boolean', default: false } } });

tf.enableProdMode();
const { explanation } = await useBackend('webgpu');
console.log(explanation);

const count = (run: () => unknown) => countDispatches(() => tf.dispose(run() as tf.TensorContainer));

const x = tf.randomNormal([2, 8, 8, 16], 0, 1, 'float32', 1) as tf.Tensor4D;
const filter = tf.randomNormal([3, 3, 16, 16], 0, 1, 'float32', 2) as tf.Tensor4D;
const [scale, shift] = [tf.ones([16]) as tf.Tensor1D, tf.zeros([16]) as tf.Tensor1D];
const norm = (withSilu: boolean) => (tensor: tf.Tensor) =>
  groupNorm(tensor as tf.Tensor4D, scale, shift, { groups: 4, eps: 1e-5, silu: withSilu });
/** Of the backward pass alone. */
const gradient = async (f: (t: tf.Tensor) => tf.Tensor, at: tf.Tensor) =>
  (await count(() => tf.grad(f)(at))) - (await count(() => f(at)));

class Bag extends Module {
  constructor(tensors: number) {
    super();
    for (let i = 0; i < tensors; i++) this.param(`p${i}`, [4], zeros);
  }
}

/** AdamW with clipping and moving average. */
async function stepOf(tensors: number): Promise<number> {
  const parameters = new Bag(tensors).parameters();
  const optimizer = new AdamW(parameters);
  const average = new ExponentialMovingAverage(parameters);
  const gradients = new Map([...parameters].map(([name]) => [name, tf.ones([4])]));
  const step = () => optimizer.clippedUpdate(gradients, { maxNorm: 1, average });
  step().dispose(); // packs the state, if it can
  const counted = await count(step);
  for (const owner of [optimizer, average, ...parameters.values()]) owner.dispose();
  tf.dispose([...gradients.values()]);
  return counted;
}

const operations: Readonly<Record<string, () => Promise<number>>> = {
  GroupNorm: () => count(() => norm(false)(x)),
  'GroupNorm + SiLU': () => count(() => norm(true)(x)),
  GroupNormGrad: () => gradient(norm(false), x),
  'GroupNormGrad + SiLU': () => gradient(norm(true), x),
  SiLU: () => count(() => silu(x)),
  SiLUGrad: () => gradient(silu, x),
  'MultiTensorAdamW, 150 tensors': () => stepOf(150),
  'Conv2DBackpropFilter 3x3': () => gradient((weights) => tf.conv2d(x, weights as tf.Tensor4D, 1, 1), filter),
};

const config: UNetConfig = {
  imageSize: 8,
  inChannels: 16,
  outChannels: 16,
  modelChannels: 32,
  channelMult: [1, 2],
  numResBlocks: 2,
  attentionResolutions: [2],
  numHeads: 1,
};

async function step(batch: number, seconds: number): Promise<{ dispatches: number; milliseconds: number }> {
  const model = new UNet(config).initialize(randomKey(1));
  const optimizer = new AdamW(model.parameters(), { learningRate: 1e-4 });
  const average = new ExponentialMovingAverage(model.parameters());
  const images = normal(randomKey(2), [batch, 8, 8, 16]) as tf.Tensor4D;
  const run = () => {
    const { value, gradients } = valueAndGradients(
      () => tf.mean(tf.square(model.forward(images, 500))) as tf.Scalar,
      model.parameters(),
    );
    tf.dispose(optimizer.clippedUpdate(gradients, { maxNorm: 1, average }));
    tf.dispose([...gradients.values()]);
    return value;
  };
  run().dispose(); // the optimizer packs its state, if it can
  const counted = await count(run);
  let steps = 0;
  const start = performance.now();
  while (performance.now() - start < 1000 * seconds) {
    const value = run();
    if (++steps % 5 === 0) await value.data(); // waits for the device
    value.dispose();
  }
  const milliseconds = steps === 0 ? Number.NaN : (performance.now() - start) / steps;
  optimizer.dispose();
  average.dispose();
  model.dispose();
  images.dispose();
  return { dispatches: counted, milliseconds };
}

async function measure() {
  const counts: Record<string, number> = {};
  for (const [name, run] of Object.entries(operations)) counts[name] = await run();
  if (options.count) return { counts, steps: { 'UNet, batch 2': await step(2, 0) } };
  await step(64, 2); // compiles, and lets the clocks settle
  return { counts, steps: { 'UNet, batch 64': await step(64, 5), 'UNet, batch 256': await step(256, 5) } };
}

const stock = await measure();
await registerWebGPUKernels();
const ours = await measure();
console.log('\ndispatches'.padEnd(32), 'tfjs', ' ours');
for (const [name, value] of Object.entries(stock.counts)) {
  console.log(name.padEnd(30), String(value).padStart(5), String(ours.counts[name]).padStart(5));
}
for (const [name, value] of Object.entries(stock.steps)) {
  const own = ours.steps[name as keyof typeof ours.steps];
  console.log(
    `a step of ${name}`.padEnd(30),
    String(value.dispatches).padStart(5),
    String(own?.dispatches).padStart(5),
  );
}
for (const [name, value] of Object.entries(stock.steps)) {
  const own = ours.steps[name as keyof typeof ours.steps];
  if (!options.count && own) {
    const ratio = value.milliseconds / own.milliseconds;
    console.log(
      `${name}: ${value.milliseconds.toFixed(1)} ms, ours ${own.milliseconds.toFixed(1)} ms, ${ratio.toFixed(2)}x`,
    );
  }
}
tf.dispose([x, filter, scale, shift]);
await releaseBackend();
