// Where a UNet's forward pass and training step spend the GPU's time: milliseconds by program, from the device's own clock.
// `pnpm profile:gpu`; `--model sd-ffhq --batch 64 --precision mixed --step`. Programs run one after another here, so that
// together they take longer than the pass.
import '@tensorflow/tfjs';
import { parseArgs } from 'node:util';
import { releaseBackend, useBackend } from '@sd/backend';
import { randomKey } from '@sd/core';
import { valueAndGradients } from '@sd/nn';
import { type PresetName, presets, UNet } from '@sd/unet';
import { type Precision, registerWebGPUKernels } from '@sd/webgpu';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { SETTLE } from './lib/gpu-ceilings';
import { drain, milliseconds } from './lib/gpu-clock';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'sd-ffhq' },
    batch: { type: 'string', default: '64' },
    precision: { type: 'string', default: 'mixed' },
    step: { type: 'boolean', default: false },
    rows: { type: 'string', default: '30' },
  },
});

process.env.SD_WEBGPU_UNCHECKED ??= '1';
tf.enableProdMode();
console.log((await useBackend('webgpu')).explanation);
await registerWebGPUKernels({ precision: options.precision as Precision });
const backend = tf.backend() as WebGPUBackend;

const config = presets[options.model as PresetName];
const model = new UNet(config).initialize(randomKey(1));
const { imageSize, inChannels } = config;
const images = tf.randomNormal(
  [Number(options.batch), imageSize, imageSize, inChannels],
  0,
  1,
  'float32',
  1,
) as tf.Tensor4D;
const run = () => {
  if (!options.step) {
    model.forward(images, 500).dispose();
    return;
  }
  const { value, gradients } = valueAndGradients(
    () => tf.mean(tf.square(model.forward(images, 500))) as tf.Scalar,
    model.parameters(),
  );
  tf.dispose([value, ...gradients.values()]);
};

const whole = await milliseconds(backend, run, 1000, SETTLE);

type Program = { readonly key: string; readonly bytes: number };
const programs: Program[] = [];
const bytes = ({ shape }: tf.TensorInfo) => 4 * tf.util.sizeFromShape(shape);
const runProgram = backend.runWebGPUProgram.bind(backend);
backend.runWebGPUProgram = (program, inputs, ...rest) => {
  const output = runProgram(program, inputs, ...rest);
  const key = program.shaderKey.split(';')[0]?.slice(0, 90) ?? '';
  const shapes = [...inputs, output].map((each) => each.shape.join('x')).join(' ');
  const moved = [...inputs, output].reduce((total, each) => total + bytes(each), 0);
  programs.push({ key: `${key} | ${shapes}`, bytes: moved });
  return output;
};
await drain(backend);
const timing = (await backend.time(run)) as { getExtraProfileInfo?: () => string };
const times = (timing.getExtraProfileInfo?.() ?? '').split(', ').map((text) => Number(text.split(': ')[1]));

type Total = { ms: number; count: number; bytes: number };
const totals = new Map<string, Total>();
for (const [i, { key, bytes: moved }] of programs.entries()) {
  const total = totals.get(key) ?? { ms: 0, count: 0, bytes: 0 };
  totals.set(key, { ms: total.ms + (times[i] ?? 0), count: total.count + 1, bytes: total.bytes + moved });
}
const sum = [...totals.values()].reduce((all, { ms }) => all + ms, 0);
console.log(`${programs.length} programs, ${sum.toFixed(2)} ms on the device; the whole takes ${whole.toFixed(2)} ms`);
const byMs = [...totals].sort(([, p], [, q]) => q.ms - p.ms);
for (const [key, { ms, count, bytes: moved }] of byMs.slice(0, Number(options.rows))) {
  const rate = (moved / ms / 1e9).toFixed(2);
  console.log(`${ms.toFixed(3).padStart(9)} ms ${String(count).padStart(4)} x ${rate.padStart(6)} TB/s  ${key}`);
}
await releaseBackend();
process.exit(0);
