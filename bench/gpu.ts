// Speed on this machine's GPU: tfjs's own kernels, ours in both precisions, PyTorch where there is one with CUDA, each
// beside its floor: operations over the rate at which this GPU multiplies in registers, or bytes over the rate at which it
// copies, whichever is longer. `pnpm bench:gpu`; `--rows conv,filter,matmul,forward,step,distill,ratio` for some of them,
// `--small` for sizes that a software adapter can do, `--skip tfjs` without tfjs's own kernels.
import '@tensorflow/tfjs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { releaseBackend, useBackend } from '@sd/backend';
import { randomKey } from '@sd/core';
import { OUTPUT_PAIR, pairedTensors, pairFeatures, SpectrumAwareDistillation } from '@sd/distill';
import { valueAndGradients } from '@sd/nn';
import { AdamW, ExponentialMovingAverage } from '@sd/nn/optim';
import { countMacs, featureShapes, type PresetName, presets, UNet } from '@sd/unet';
import { recordForward, registerWebGPUKernels, replayed, whyNotMixed } from '@sd/webgpu';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { bytesOf, measureCeilings, SETTLE } from './lib/gpu-ceilings';
import { deviceMilliseconds, drain, milliseconds } from './lib/gpu-clock';

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: 'conv,filter,matmul,forward,step,distill,ratio' },
    skip: { type: 'string', default: '' },
    small: { type: 'boolean', default: false },
  },
});
const chosen = new Set(options.rows.split(','));
const skipped = new Set(options.skip.split(','));

process.env.SD_WEBGPU_UNCHECKED ??= '1';
tf.enableProdMode();
const { explanation } = await useBackend('webgpu');
const backend = tf.backend() as WebGPUBackend;
console.log(explanation, process.env.SD_WEBGPU_UNCHECKED === '1' ? '- calls and indices unchecked' : '');

type Kind = 'tfjs' | 'float32' | 'mixed';
/** What a row computes: `flops` operations on at least `bytes` of memory, read or written. */
type Work = { readonly flops: number; readonly bytes: number };
type Row = Work & { readonly name: string; readonly run: () => void };

const [batch, size, width, square] = options.small ? [1, 8, 8, 64] : [64, 64, 64, 4096];
const [small, large, trained] = options.small ? [1, 2, 1] : [1, 64, 32];
const random = (shape: number[], seed: number) => tf.keep(tf.randomNormal(shape, 0, 1, 'float32', seed));
const image = random([batch, size, size, width], 1) as tf.Tensor4D;
const filter = random([3, 3, width, width], 2) as tf.Tensor4D;
const dy = random([batch, size, size, width], 3) as tf.Tensor4D;
const [a, b] = [random([square, square], 4), random([square, square], 5)];
const convolution = { flops: 2 * batch * size * size * 9 * width * width, bytes: 4 * (2 * image.size + filter.size) };

const operations: readonly Row[] = [
  {
    name: 'conv',
    ...convolution,
    run: () => tf.conv2d(image, filter, 1, 'same').dispose(),
  },
  {
    name: 'filter',
    ...convolution,
    run: () => {
      const attributes = { strides: 1, pad: 'same', dataFormat: 'NHWC', filterShape: filter.shape };
      const inputs = { x: image, dy } as unknown as tf.NamedTensorMap;
      (tf.engine().runKernel('Conv2DBackpropFilter', inputs, attributes as never) as tf.Tensor).dispose();
    },
  },
  {
    name: 'matmul',
    flops: 2 * square ** 3,
    bytes: 12 * square ** 2,
    run: () => tf.matMul(a, b).dispose(),
  },
].filter(({ name }) => chosen.has(name));

const works = new Map<string, Work>(operations.map((row) => [row.name, row]));
const times = new Map<string, Partial<Record<Kind, number>>>();
function note(row: string, kind: Kind, ms: number): void {
  times.set(row, { ...times.get(row), [kind]: ms });
  console.log(`${row} ${kind}: ${ms.toFixed(3)} ms`);
}

const settle = options.small ? 0 : SETTLE;
const timed = (run: () => unknown, wanted: number) => milliseconds(backend, run, options.small ? 1 : wanted, settle);

const imagesOf = (preset: PresetName, count: number) => {
  const { imageSize, inChannels } = presets[preset];
  return tf.randomNormal([count, imageSize, imageSize, inChannels], 0, 1, 'float32', 6) as tf.Tensor4D;
};
const bytesOfWeights = (model: UNet) => 4 * model.parameterCount;
/** Of a pass: its convolutions and linear layers; weights read once. */
const workOf = (preset: PresetName, images: number, model: UNet): Work => ({
  flops: 2 * images * countMacs(presets[preset]),
  bytes: bytesOfWeights(model),
});

/** A UNet's forward pass as it is called and, once recorded, replayed. */
async function forward(kind: Kind, preset: PresetName, images: number, label: string): Promise<void> {
  const model = new UNet(presets[preset]).initialize(randomKey(1));
  const x = imagesOf(preset, images);
  const t = tf.fill([images], 500) as tf.Tensor1D;
  works.set(label, workOf(preset, images, model));
  note(label, kind, await timed(() => model.forward(x, t).dispose(), 500));
  const moved = bytesOf(backend, () => model.forward(x, t));
  console.log(`  bytes that its programs read and write: ${(moved / 1e9).toFixed(2)} GB`);
  if (kind !== 'tfjs') {
    const recorded = recordForward(
      (...tensors) => model.forward(tensors[0] as tf.Tensor4D, tensors[1] as tf.Tensor1D),
      [x, t],
    );
    const replayed = `${label}, recorded`;
    works.set(replayed, workOf(preset, images, model));
    note(replayed, kind, await timed(() => tf.dispose(recorded.replay([x, t])), 500));
    recorded.dispose();
  }
  model.dispose();
  tf.dispose([x, t]);
}

/** Forward, backward, clipping, AdamW and the moving average; of a student also its teacher and both terms of its loss. */
async function step(kind: Kind, images: number, teacherPreset?: PresetName): Promise<void> {
  const student = presets['sd-ffhq'];
  const model = new UNet(student).initialize(randomKey(1));
  const teacher = teacherPreset ? new UNet(presets[teacherPreset]).initialize(randomKey(2)) : null;
  const x0 = imagesOf('sd-ffhq', images);
  const distillation = teacher
    ? new SpectrumAwareDistillation({
        pairs: [
          { name: OUTPUT_PAIR, teacherChannels: student.outChannels, studentChannels: student.outChannels },
          ...pairFeatures(featureShapes(teacher.config), featureShapes(student)),
        ],
      }).initialize(randomKey(3))
    : null;
  const alignments = [...(distillation?.parameters() ?? [])].map(
    ([name, each]) => [`alignments.${name}`, each] as const,
  );
  const parameters = new Map([...model.parameters(), ...alignments]);
  const optimizer = new AdamW(parameters, { learningRate: 1e-4 });
  const average = new ExponentialMovingAverage(model.parameters(), 0.999);
  const times = tf.fill([images], 500) as tf.Tensor1D;
  const gradientsOf = () => {
    const taught = teacher && pairedTensors(teacher.forwardWithFeatures(x0, times));
    const loss = () => {
      if (distillation === null || taught === null) return tf.mean(tf.square(model.forward(x0, times))) as tf.Scalar;
      const prediction = model.forwardWithFeatures(x0, times);
      const { total } = distillation.loss(taught, pairedTensors(prediction), x0);
      return tf.add(total, tf.mean(tf.square(prediction.output))) as tf.Scalar;
    };
    const { value, gradients } = valueAndGradients(loss, parameters);
    return [...gradients.values(), value];
  };
  const names = [...parameters.keys()];
  const weights = () => [...parameters.values()].map(({ value }) => value as tf.Tensor);
  const recorded = replayed(gradientsOf, { weights });
  const run = () => {
    const gradients = recorded(x0, times);
    const named = new Map(names.map((name, i) => [name, gradients[i] as tf.Tensor]));
    optimizer.clippedUpdate(named, { maxNorm: 1, average }).dispose();
    tf.dispose(gradients);
  };
  run(); // the second call records
  const label = teacher ? `distillation step, batch ${images}` : `SD training step, batch ${images}`;
  const pass = workOf('sd-ffhq', images, model);
  works.set(label, {
    flops: 3 * pass.flops + (teacherPreset && teacher ? workOf(teacherPreset, images, teacher).flops : 0),
    bytes: 9 * pass.bytes, // gradients written and read; weights, both moments and the average read and written
  });
  const ms = await timed(run, 800);
  const { numBytesAllocatedInGPU } = backend.memory() as unknown as { numBytesAllocatedInGPU: number };
  const bytes = numBytesAllocatedInGPU + recorded.bytes;
  note(label, kind, ms);
  console.log(`  GPU memory that it holds: ${(bytes / 1e9).toFixed(2)} GB`);
  recorded.dispose();
  optimizer.dispose();
  average.dispose();
  model.dispose();
  teacher?.dispose();
  distillation?.dispose();
  tf.dispose([x0, times]);
}

async function measure(kind: Kind): Promise<void> {
  if (skipped.has(kind)) return;
  // On the device alone, as PyTorch is timed; one run of an operation is shorter than JavaScript's part of it.
  for (const { name, run } of operations) {
    note(name, kind, await deviceMilliseconds(backend, run, options.small ? 1 : 200, settle));
  }
  // A training step first: its memory is then its own.
  if (chosen.has('step') && kind !== 'tfjs') await step(kind, trained);
  if (chosen.has('forward')) {
    await forward(kind, 'sd-ffhq', large, `SD forward, batch ${large}`);
    await forward(kind, 'sd-ffhq', small, `SD forward, batch ${small}`);
  }
  // tfjs's own attention writes all its weights down: at batch 64 more than a buffer may hold.
  if (chosen.has('ratio') && kind !== 'tfjs') await forward(kind, 'ldm-ffhq', large, `LDM forward, batch ${large}`);
  if (chosen.has('distill') && kind !== 'tfjs') await step(kind, trained, 'ldm-ffhq');
}

const reason = whyNotMixed(backend.device);
const ceilings = await measureCeilings(backend, { mixed: reason === null, small: options.small });
const inTera = (perMs: number) => (perMs / 1e9).toFixed(1);
console.log(
  `ceilings: float32 ${inTera(ceilings.flops.float32)} TFLOP/s, matrix units ${reason === null ? inTera(ceilings.flops.mixed) : '-'} TFLOP/s, copy ${(ceilings.bytes / 1e9).toFixed(2)} TB/s`,
);
await measure('tfjs');
await registerWebGPUKernels({ precision: 'float32' });
await measure('float32');
if (reason === null) {
  await registerWebGPUKernels({ precision: 'mixed' });
  await measure('mixed');
} else {
  console.log(`no mixed precision: ${reason}`);
}
await drain(backend);
await releaseBackend();

const peerFile = fileURLToPath(new URL('./torch-peer.py', import.meta.url));
const smallFlag = options.small ? ['--small'] : [];
const peer = spawnSync('python3', [peerFile, '--rows', options.rows, ...smallFlag], {
  encoding: 'utf8',
  timeout: 300_000,
});
console.log(peer.stdout ?? '');
if (peer.status !== 0) {
  console.log(`no PyTorch with CUDA, or not to its end: ${peer.stderr?.trim().split('\n').at(-1) || peer.signal}`);
}

const kinds: readonly Kind[] = ['tfjs', 'float32', 'mixed'];
const headings = [...kinds, 'floor float32', 'floor mixed'];
console.log(`${'ms (TFLOP/s)'.padEnd(34)}${headings.map((heading) => heading.padStart(18)).join('')}`);
const cell = (ms: number | undefined, flops: number) =>
  (ms === undefined ? '-' : `${ms.toFixed(3)} (${(flops / ms / 1e9).toFixed(1)})`).padStart(18);
for (const [name, row] of times) {
  const { flops, bytes } = works.get(name) as Work;
  const floor = (precision: 'float32' | 'mixed') => Math.max(flops / ceilings.flops[precision], bytes / ceilings.bytes);
  const cells = [
    ...kinds.map((kind) => cell(row[kind], flops)),
    cell(floor('float32'), flops),
    cell(reason === null ? floor('mixed') : undefined, flops),
  ];
  console.log(`${name.padEnd(34)}${cells.join('')}`);
}
for (const kind of kinds) {
  for (const suffix of ['', ', recorded']) {
    const [slow, quick] = ['LDM', 'SD'].map((name) => times.get(`${name} forward, batch ${large}${suffix}`)?.[kind]);
    if (slow && quick) console.log(`LDM : SD, ${kind}${suffix}: ${(slow / quick).toFixed(2)}`);
  }
}
process.exit(0);
