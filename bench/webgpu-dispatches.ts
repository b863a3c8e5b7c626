// Dispatches of a training step of the demo's teacher and of its distilled SD student on WebGPU, with tfjs's kernels alone
// and with registerWebGPUKernels, and the kernels that make most of them; and what a pass of the teacher at batch 1 costs in
// JavaScript, as it is and recorded. Nothing is computed: Dawn's null device takes all
// commands. `pnpm bench:dispatches`
import '@tensorflow/tfjs';
import { foldIn, randomKey } from '@sd/core';
import { OUTPUT_PAIR, pairFeatures, SpectrumAwareDistillation } from '@sd/distill';
import { valueAndGradients } from '@sd/nn';
import { AdamW, ExponentialMovingAverage } from '@sd/nn/optim';
import { featureShapes } from '@sd/unet';
import { recordForward, registerWebGPUKernels } from '@sd/webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { create, globals } from 'webgpu';
import { Latents } from '../apps/trainer/src/data/latents';
import { demoConfig } from '../apps/trainer/src/demo/demo-config';
import { buildDenoiser, buildScheduler } from '../apps/trainer/src/training/build-models';
import { DiffusionTask, type Teaching } from '../apps/trainer/src/training/diffusion-task';
import { taskParameters } from '../apps/trainer/src/training/task';
import { countDispatches } from '../testing/count-dispatches';

/** Kernels that are listed. */
const LISTED = 12;

tf.enableProdMode();
Object.assign(globalThis, globals);
const gpu = create(['backend=null']);
Object.defineProperty(globalThis, 'navigator', { value: { gpu, userAgent: 'Node.js' }, configurable: true });
const adapter = (await gpu.requestAdapter()) as GPUAdapter;
const device = await adapter.requestDevice();
const bindings = device.limits.maxStorageBuffersPerShaderStage; // the least that WebGPU guarantees
const { WebGPUBackend } = await import('@tensorflow/tfjs-backend-webgpu');
tf.removeBackend('webgpu');
tf.registerBackend('webgpu', () => new WebGPUBackend(device, adapter.info));
await tf.setBackend('webgpu');

const config = demoConfig({ out: 'unused', seed: 1 });
const size = 8;
const latents = new Latents(new Float32Array(64 * size * size * 4), [64, size, size, 4], 1, 'zeros');

function taskOf(name: 'teacher' | 'sd'): DiffusionTask {
  const denoiser = buildDenoiser(config, name);
  const model = config.models[name] as (typeof config.models)[string];
  const common = {
    name,
    denoiser,
    scheduler: buildScheduler(config.diffusion),
    diffusion: config.diffusion,
    latents,
    model,
    key: randomKey(1),
  };
  if (name === 'teacher') return new DiffusionTask(common);
  const teacher = buildDenoiser(config, 'teacher');
  const [teacherShapes, studentShapes] = [teacher, denoiser].map(({ unet }) => featureShapes(unet.config));
  const pairs = [
    { name: OUTPUT_PAIR, teacherChannels: 4, studentChannels: 4 },
    ...pairFeatures(
      teacherShapes as ReturnType<typeof featureShapes>,
      studentShapes as ReturnType<typeof featureShapes>,
    ),
  ];
  const teaching: Teaching = {
    teacher: (x, t, condition) => teacher.forwardWithFeatures(x, t, condition),
    distillation: new SpectrumAwareDistillation({ pairs }),
    identity: {},
  };
  return new DiffusionTask({ ...common, teaching });
}

/** A step after the first two, which pack the optimizer's state and compile. */
async function count(name: 'teacher' | 'sd'): Promise<{ total: number; byKernel: Map<string, number> }> {
  const task = taskOf(name);
  const parameters = taskParameters(task);
  for (const [key, parameter] of parameters) parameter.initialize(foldIn(randomKey(1), key));
  const optimizer = new AdamW(parameters);
  const average = new ExponentialMovingAverage(task.result.parameters());
  const step = async (k: number) => {
    const batch = await task.batch(k);
    const { value, gradients } = valueAndGradients(() => task.objective(batch, k).loss, parameters);
    const norm = optimizer.clippedUpdate(gradients, { maxNorm: 1, average });
    tf.dispose([value, norm, ...gradients.values(), ...Object.values(batch)]);
  };
  for (let k = 0; k < 2; k++) await step(k);
  const byKernel = new Map<string, number>();
  const restore = attribute(byKernel);
  const total = await countDispatches(() => step(2));
  restore();
  return { total, byKernel };
}

/** Counts dispatches by the kernel of tfjs's engine that they are of, without those of kernels that it calls. */
function attribute(byKernel: Map<string, number>): () => void {
  const { prototype } = GPUComputePassEncoder;
  const dispatch = prototype.dispatchWorkgroups;
  const running = ['other'];
  prototype.dispatchWorkgroups = function (...workgroups) {
    const kernel = running.at(-1) as string;
    byKernel.set(kernel, (byKernel.get(kernel) ?? 0) + 1);
    return dispatch.apply(this, workgroups);
  };
  const kernels = tf.getKernelsForBackend('webgpu');
  const originals = kernels.map(({ kernelFunc }) => kernelFunc);
  for (const kernel of kernels) {
    const { kernelName, kernelFunc } = kernel;
    kernel.kernelFunc = (call) => {
      running.push(kernelName);
      try {
        return kernelFunc(call);
      } finally {
        running.pop();
      }
    };
  }
  return () => {
    prototype.dispatchWorkgroups = dispatch;
    for (const [i, kernel] of kernels.entries()) kernel.kernelFunc = originals[i] as tf.KernelFunc;
  };
}

const measure = async () => ({ teacher: await count('teacher'), sd: await count('sd') });
const stock = await measure();
await registerWebGPUKernels();
const ours = await measure();
console.log(`\ndispatches of a training step, batch ${config.models.sd?.batchSize}, ${bindings} bindings`);
for (const name of ['teacher', 'sd'] as const) {
  console.log(`${name.padEnd(10)} tfjs ${stock[name].total}, ours ${ours[name].total}`);
  const kernels = [...ours[name].byKernel].sort(([, a], [, b]) => b - a);
  for (const [kernel, dispatches] of kernels.slice(0, LISTED)) {
    console.log(`  ${kernel.padEnd(30)} ${String(dispatches).padStart(5)}`);
  }
}

const { unet } = buildDenoiser(config, 'teacher');
const inputs = [tf.zeros([1, size, size, 4]), tf.zeros([1])];
const pass = (x: tf.Tensor, t: tf.Tensor) => unet.forward(x as tf.Tensor4D, t as tf.Tensor1D);
const recorded = recordForward((...args) => pass(...(args as [tf.Tensor, tf.Tensor])), inputs);

/** Milliseconds of this process on the CPU for one call, after as many calls to warm up. */
function cpuTime(call: () => unknown, calls = 50): number {
  for (let i = 0; i < calls; i++) tf.dispose(call() as tf.TensorContainer);
  const before = process.cpuUsage();
  for (let i = 0; i < calls; i++) tf.dispose(call() as tf.TensorContainer);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / calls;
}

const [plain, replayed] = [
  cpuTime(() => pass(...(inputs as [tf.Tensor, tf.Tensor]))),
  cpuTime(() => recorded.replay(inputs)),
];
console.log(
  `a pass of the teacher at batch 1, ${recorded.dispatches} dispatches: ${plain.toFixed(1)} ms of the CPU, recorded ${replayed.toFixed(1)} ms`,
);
process.exit(0); // the null device keeps the process
