// Speed on this machine's GPU: tfjs's own kernels, ours in both precisions, PyTorch where there is one with CUDA, each
// beside the floor: operations over the rate of a product of matrices in registers. `pnpm bench:gpu`;
// `--rows conv,filter,matmul,forward,step,ratio` for some of them, `--small` for sizes that a software adapter can do.
import '@tensorflow/tfjs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { releaseBackend, useBackend } from '@sd/backend';
import { randomKey } from '@sd/core';
import { valueAndGradients } from '@sd/nn';
import { AdamW, ExponentialMovingAverage } from '@sd/nn/optim';
import { type PresetName, presets, UNet } from '@sd/unet';
import { registerWebGPUKernels, whyNotMixed } from '@sd/webgpu';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { drain, milliseconds } from './lib/gpu-clock';

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: 'conv,filter,matmul,forward,step,ratio' },
    small: { type: 'boolean', default: false },
  },
});
const chosen = new Set(options.rows.split(','));

process.env.SD_WEBGPU_UNCHECKED ??= '1';
tf.enableProdMode();
const { explanation } = await useBackend('webgpu');
const backend = tf.backend() as WebGPUBackend;
console.log(explanation, process.env.SD_WEBGPU_UNCHECKED === '1' ? '- calls and indices unchecked' : '');

type Row = { readonly name: string; readonly flops: number; readonly run: () => void };
type Kind = 'tfjs' | 'float32' | 'mixed';

const [batch, size, width, square] = options.small ? [1, 8, 8, 64] : [64, 64, 64, 4096];
const random = (shape: number[], seed: number) => tf.keep(tf.randomNormal(shape, 0, 1, 'float32', seed));
const image = random([batch, size, size, width], 1) as tf.Tensor4D;
const filter = random([3, 3, width, width], 2) as tf.Tensor4D;
const dy = random([batch, size, size, width], 3) as tf.Tensor4D;
const [a, b] = [random([square, square], 4), random([square, square], 5)];
const convolution = 2 * batch * size * size * 9 * width * width;

const operations: readonly Row[] = [
  {
    name: 'conv',
    flops: convolution,
    run: () => tf.conv2d(image, filter, 1, 'same').dispose(),
  },
  {
    name: 'filter',
    flops: convolution,
    run: () => {
      const attributes = { strides: 1, pad: 'same', dataFormat: 'NHWC', filterShape: filter.shape };
      const inputs = { x: image, dy } as unknown as tf.NamedTensorMap;
      (tf.engine().runKernel('Conv2DBackpropFilter', inputs, attributes as never) as tf.Tensor).dispose();
    },
  },
  { name: 'matmul', flops: 2 * square ** 3, run: () => tf.matMul(a, b).dispose() },
].filter(({ name }) => chosen.has(name));

const times = new Map<string, Partial<Record<Kind, number>>>();
function note(row: string, kind: Kind, ms: number): void {
  times.set(row, { ...times.get(row), [kind]: ms });
  console.log(`${row} ${kind}: ${ms.toFixed(3)} ms`);
}

/** The clocks of an idle GPU need load for a second. */
async function warmUp(): Promise<void> {
  const start = performance.now();
  do await milliseconds(backend, () => tf.matMul(a, b).dispose(), 50);
  while (performance.now() - start < (options.small ? 0 : 1000));
}

/** Milliseconds of a UNet's forward pass, and of a training step. */
async function forward(preset: PresetName, images: number): Promise<number> {
  const model = new UNet(presets[preset]).initialize(randomKey(1));
  const x = tf.randomNormal([images, 64, 64, 3], 0, 1, 'float32', 6) as tf.Tensor4D;
  const ms = await milliseconds(backend, () => model.forward(x, 500).dispose(), 500);
  model.dispose();
  x.dispose();
  return ms;
}

async function step(images: number): Promise<{ ms: number; bytes: number }> {
  const model = new UNet(presets['sd-ffhq']).initialize(randomKey(1));
  const optimizer = new AdamW(model.parameters(), { learningRate: 1e-4 });
  const average = new ExponentialMovingAverage(model.parameters(), 0.999);
  const x = tf.randomNormal([images, 64, 64, 3], 0, 1, 'float32', 6) as tf.Tensor4D;
  const run = () => {
    const { value, gradients } = valueAndGradients(
      () => tf.mean(tf.square(model.forward(x, 500))) as tf.Scalar,
      model.parameters(),
    );
    optimizer.clippedUpdate(gradients, { maxNorm: 1, average }).dispose();
    tf.dispose([value, ...gradients.values()]);
  };
  const ms = await milliseconds(backend, run, 800);
  const { numBytesAllocatedInGPU } = backend.memory() as unknown as { numBytesAllocatedInGPU: number };
  optimizer.dispose();
  average.dispose();
  model.dispose();
  x.dispose();
  return { ms, bytes: numBytesAllocatedInGPU };
}

async function measure(kind: Kind): Promise<void> {
  await warmUp();
  for (const { name, run } of operations) note(name, kind, await milliseconds(backend, run, 200));
  if (chosen.has('forward')) {
    for (const images of [64, 1]) note(`SD forward, batch ${images}`, kind, await forward('sd-ffhq', images));
  }
  if (chosen.has('ratio')) note('LDM forward, batch 64', kind, await forward('ldm-ffhq', 64));
  if (chosen.has('step') && kind !== 'tfjs') {
    const { ms, bytes } = await step(32);
    note('SD training step, batch 32', kind, ms);
    console.log(`  GPU memory that the step holds, ${kind}: ${(bytes / 1e9).toFixed(2)} GB`);
  }
}

await measure('tfjs');
await registerWebGPUKernels({ precision: 'float32' });
await measure('float32');
const reason = whyNotMixed(backend.device);
if (reason === null) {
  await registerWebGPUKernels({ precision: 'mixed' });
  await measure('mixed');
} else {
  console.log(`no mixed precision: ${reason}`);
}
await drain(backend);
await releaseBackend();

const peer = spawnSync(
  'python3',
  [fileURLToPath(new URL('./torch-peer.py', import.meta.url)), ...(options.small ? ['--small'] : [])],
  {
    encoding: 'utf8',
  },
);
console.log(peer.status === 0 ? peer.stdout : `no PyTorch with CUDA: ${peer.stderr.trim().split('\n').at(-1)}`);

const kinds: readonly Kind[] = ['tfjs', 'float32', 'mixed'];
console.log(`${'ms (TFLOP/s)'.padEnd(30)}${kinds.map((kind) => kind.padStart(20)).join('')}`);
for (const [name, row] of times) {
  const flops = operations.find((each) => each.name === name)?.flops;
  const cells = kinds.map((kind) => {
    const ms = row[kind];
    if (ms === undefined) return '-'.padStart(20);
    return `${ms.toFixed(3)}${flops ? ` (${(flops / ms / 1e9).toFixed(1)})` : ''}`.padStart(20);
  });
  console.log(`${name.padEnd(30)}${cells.join('')}`);
}
for (const kind of kinds) {
  const [slow, quick] = ['LDM forward, batch 64', 'SD forward, batch 64'].map((name) => times.get(name)?.[kind]);
  if (slow && quick) console.log(`LDM : SD, ${kind}: ${(slow / quick).toFixed(2)}`);
}
process.exit(0);
