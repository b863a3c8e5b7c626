// Every tile and both precisions of convolutions and matrix products, and attention with its gradients, against the cpu
// backend, on this machine's GPU: random shapes, results written into memory that held no numbers. `pnpm test:gpu`; exits with 1 where one differs.
// What SwiftShader can run is tested by the suites; matrix units need a GPU.
import '@tensorflow/tfjs';
import { parseArgs } from 'node:util';
import { releaseBackend, useBackend } from '@sd/backend';
import { scaledDotProductAttention, selfAttention, upsampledConv2d } from '@sd/nn';
import { registerWebGPUKernels, whyNotMixed } from '@sd/webgpu';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {
  convGeometry,
  filterGradientGemm,
  forwardGemm,
  inputGradientGemm,
  upsampledGeometry,
} from '../packages/webgpu/src/gemm/convolution';
import type { Gemm } from '../packages/webgpu/src/gemm/gemm';
import { magnitudes } from '../packages/webgpu/src/gemm/magnitudes';
import { suits } from '../packages/webgpu/src/gemm/plan';
import { runGemm } from '../packages/webgpu/src/gemm/run-gemm';
import { tileKey } from '../packages/webgpu/src/gemm/tile';
import { TILES } from '../packages/webgpu/src/gemm/tiles';
import { farthest, wholeUNet } from './lib/whole-unet';

const { values: options } = parseArgs({
  options: { runs: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
});
/** Of the largest value. */
const TOLERANCE = { float32: 1e-5, mixed: 1e-2 } as const;
/** Of a whole UNet's prediction and gradients. */
const WHOLE = { float32: 1e-4, mixed: 2e-2 } as const;

tf.enableProdMode();
console.log((await useBackend('webgpu')).explanation);
await registerWebGPUKernels();
const backend = tf.backend() as WebGPUBackend;
const { device } = backend;
const reason = whyNotMixed(device);
console.log(reason === null ? 'mixed precision: yes' : `mixed precision: no, ${reason}`);

const size = fc.integer({ min: 1, max: 70 });
const convolutions = fc.record({
  kind: fc.constantFrom('forward', 'input', 'filter', 'upsampled', 'upsampled filter'),
  n: fc.integer({ min: 1, max: 3 }),
  h: fc.integer({ min: 3, max: 17 }),
  w: fc.integer({ min: 3, max: 17 }),
  inC: fc.constantFrom(4, 20, 64),
  outC: fc.constantFrom(4, 36, 64),
  filter: fc.constantFrom(1, 2, 3),
  stride: fc.constantFrom(1, 2),
  exponent: fc.constantFrom(0, -24),
});
/** Those that tiles of rows of images are for. */
const rowsOfImages = fc.record({
  kind: fc.constantFrom('forward', 'input', 'filter'),
  n: fc.integer({ min: 1, max: 3 }),
  h: fc.constantFrom(8, 16),
  w: fc.constantFrom(16, 32, 64),
  inC: fc.constantFrom(32, 64, 96, 128),
  outC: fc.constantFrom(32, 64, 96, 128),
  filter: fc.constant(3),
  stride: fc.constant(1),
  exponent: fc.constantFrom(0, -24),
});
const products = fc.record({
  kind: fc.constant('product'),
  m: size,
  n: size,
  k: fc.oneof(size, fc.constant(700)),
  batches: fc.integer({ min: 1, max: 3 }),
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
  exponent: fc.constantFrom(0, -24),
});

type Case = { readonly gemm: Gemm; readonly expected: tf.Tensor; readonly inputs: readonly tf.Tensor[] };

/** A case, its result by tfjs's cpu backend, its operands on the GPU. */
async function make(c: Record<string, unknown>): Promise<{ gemm: Gemm; expected: Float32Array; free: () => void }> {
  const { kind, n, h, w, inC, outC, filter, stride, exponent, m, k, batches, transposeA, transposeB } =
    c as never as Record<string, never>;
  await tf.setBackend('cpu');
  const random = (shape: number[], seed: number) => tf.randomNormal(shape, 0, 1, 'float32', seed);
  const small = tf.scalar(2 ** exponent);
  const build = (): Case => {
    if (kind === 'product') {
      const a = tf.mul(random(transposeA ? [batches, k, m] : [batches, m, k], 1), small);
      const b = random(transposeB ? [batches, n, k] : [batches, k, n], 2);
      const gemm: Gemm = {
        left: { tensor: a, batchStride: m * k, layout: transposeA ? 'columns' : 'rows' },
        right: { tensor: b, batchStride: n * k, layout: transposeB ? 'columns' : 'rows', channels: k },
        ...{ m, n, k, batches, outShape: [batches, m, n] },
      };
      return { gemm, expected: tf.matMul(a, b, transposeA, transposeB), inputs: [a, b] };
    }
    if (String(kind).startsWith('upsampled')) {
      const x = random([n, h, w, inC], 1) as tf.Tensor4D;
      const weights = random([3, 3, inC, outC], 2) as tf.Tensor4D;
      const dy = tf.mul(random([n, 2 * h, 2 * w, outC], 3), small);
      const geometry = upsampledGeometry(x.shape, weights.shape);
      const run = (kernel: tf.Tensor): tf.Tensor => upsampledConv2d(x, kernel as tf.Tensor4D);
      return kind === 'upsampled'
        ? { gemm: forwardGemm(x, weights, geometry), expected: run(weights), inputs: [x, weights] }
        : { gemm: filterGradientGemm(x, dy, geometry), expected: tf.grad(run)(weights, dy), inputs: [x, dy] };
    }
    const attributes = { strides: stride, pad: 'same' };
    const geometry = convGeometry([n, h, w, inC], [filter, filter, inC, outC], attributes);
    const x = random([n, h, w, inC], 1) as tf.Tensor4D;
    const weights = random([filter, filter, inC, outC], 2) as tf.Tensor4D;
    const dy = tf.mul(random([n, geometry.outHeight, geometry.outWidth, outC], 3), small);
    const run = (image: tf.Tensor, kernel: tf.Tensor) =>
      tf.conv2d(image as tf.Tensor4D, kernel as tf.Tensor4D, stride, 'same');
    if (kind === 'forward') {
      return { gemm: forwardGemm(x, weights, geometry), expected: run(x, weights), inputs: [x, weights] };
    }
    const [dx, dw] = tf.grads(run as (...tensors: tf.Tensor[]) => tf.Tensor)([x, weights], dy) as [
      tf.Tensor,
      tf.Tensor,
    ];
    return kind === 'input'
      ? { gemm: inputGradientGemm(dy, weights, geometry), expected: dx, inputs: [dy, weights] }
      : { gemm: filterGradientGemm(x, dy, geometry), expected: dw, inputs: [x, dy] };
  };
  tf.engine().startScope();
  const built = build();
  for (const tensor of [built.expected, ...built.inputs]) tf.keep(tensor);
  tf.engine().endScope();
  const expected = (await built.expected.data<'float32'>()).slice();
  await tf.setBackend('webgpu');
  return { gemm: built.gemm, expected, free: () => tf.dispose([small, built.expected, ...built.inputs]) };
}

async function resultOf(gemm: Gemm, plan: Parameters<typeof runGemm>[2]): Promise<Float32Array> {
  const values = gemm.outShape.reduce((a, b) => a * b, 1);
  const poison = tf.fill([values], Number.NaN);
  await poison.data();
  poison.dispose();
  const result = tf.engine().makeTensorFromTensorInfo(runGemm(backend, gemm, plan));
  const read = await result.data<'float32'>();
  result.dispose();
  return read as Float32Array;
}

function difference(actual: Float32Array, expected: Float32Array): number {
  let [most, largest] = [0, 0];
  for (const [i, value] of expected.entries()) {
    const apart = Math.abs((actual[i] as number) - value);
    most = Number.isNaN(apart) ? Number.POSITIVE_INFINITY : Math.max(most, apart);
    largest = Math.max(largest, Math.abs(value));
  }
  return largest === 0 ? most : most / largest;
}

const worst = new Map<string, number>();
let wrong = 0;
let compared = 0;
const cases = fc.sample(fc.oneof(convolutions, rowsOfImages, products), {
  numRuns: Number(options.runs),
  seed: Number(options.seed),
});
for (const [i, each] of cases.entries()) {
  const { gemm, expected, free } = await make(each);
  for (const [j, tile] of TILES.entries()) {
    if (tile.kind === 'mixed' && reason !== null) continue;
    if (!suits(tile, tile.kind, gemm, device)) continue;
    const scaled = tile.kind === 'mixed' && (each.exponent !== 0 || (i + j) % 2 === 0);
    device.pushErrorScope('validation');
    const peaks = scaled ? magnitudes(backend, gemm.left.tensor, gemm.right.tensor, 'both') : undefined;
    const plan = { tile, parts: 1 + ((i + j) % 3), ...(peaks && { magnitudes: peaks }) };
    const actual = await resultOf(gemm, plan);
    if (peaks) backend.disposeData(peaks.dataId);
    const invalid = await device.popErrorScope();
    const apart = invalid ? Number.POSITIVE_INFINITY : difference(actual, expected);
    compared++;
    const key = `${tileKey(tile)}`;
    worst.set(key, Math.max(worst.get(key) ?? 0, apart));
    if (!(apart <= TOLERANCE[tile.kind])) {
      wrong++;
      console.log(`${key} / ${plan.parts}: ${apart} on ${JSON.stringify(each)}`, invalid?.message.slice(0, 300) ?? '');
    }
  }
  free();
}
const attentions = fc.sample(
  fc.record({
    n: fc.integer({ min: 1, max: 3 }),
    heads: fc.integer({ min: 1, max: 4 }),
    t: fc.integer({ min: 16, max: 300 }),
    d: fc.constantFrom(16, 20, 30, 32, 64, 96),
    exponent: fc.constantFrom(0, -30),
  }),
  { numRuns: Math.ceil(Number(options.runs) / 4), seed: Number(options.seed) },
);
for (const each of attentions) {
  const { n, heads, t, d, exponent } = each;
  await tf.setBackend('cpu');
  const [qkv, dy] = [[1, heads * 3 * d, 0] as const, [2, heads * d, exponent] as const].map(([seed, width, power]) =>
    tf.mul(tf.randomNormal([n, t, width], 0, 1, 'float32', seed), 2 ** power),
  ) as [tf.Tensor3D, tf.Tensor3D];
  const attend = (x: tf.Tensor): tf.Tensor => selfAttention(x as tf.Tensor3D, heads);
  const apart = (x: tf.Tensor): tf.Tensor => {
    const parts = tf.split(tf.transpose(tf.reshape(x, [n, t, heads, 3, d]), [3, 0, 2, 1, 4]), 3, 0);
    const [q, k, v] = parts.map((part) => tf.reshape(part, [n, heads, t, d])) as [
      tf.Tensor4D,
      tf.Tensor4D,
      tf.Tensor4D,
    ];
    return tf.reshape(tf.transpose(scaledDotProductAttention(q, k, v), [0, 2, 1, 3]), [n, t, heads * d]);
  };
  const resultsOf = async (of: typeof attend) => {
    const tensors = tf.tidy(() => [of(qkv), tf.grad(of)(qkv, dy)]);
    const values = await Promise.all(tensors.map((tensor) => tensor.data<'float32'>()));
    tf.dispose(tensors);
    return values.map((value) => value.slice());
  };
  const expected = await resultsOf(attend);
  await tf.setBackend('webgpu');
  for (const precision of ['float32', 'mixed'] as const) {
    if (precision === 'mixed' && reason !== null) continue;
    await registerWebGPUKernels({ precision });
    for (const [form, of] of [
      ['side by side', attend],
      ['apart', apart],
    ] as const) {
      device.pushErrorScope('validation');
      const actual = await resultsOf(of);
      const invalid = await device.popErrorScope();
      for (const [i, name] of ['attention', 'its gradient'].entries()) {
        const most = difference(actual[i] as Float32Array, expected[i] as Float32Array);
        const key = `${precision} ${name}`;
        compared++;
        worst.set(key, Math.max(worst.get(key) ?? 0, most));
        if (most <= TOLERANCE[precision] && !invalid) continue;
        wrong++;
        console.log(`${key}, ${form}: ${most} on ${JSON.stringify(each)}`, invalid?.message.slice(0, 300) ?? '');
      }
    }
  }
  await registerWebGPUKernels({ precision: 'float32' });
  tf.dispose([qkv, dy]);
}
/** Prints the largest differences since it was last called, so that what comes next cannot lose them. */
function report(): void {
  for (const [key, apart] of worst) console.log(key.padEnd(24), apart.toExponential(1));
  worst.clear();
}
report();
await useBackend('wasm'); // tfjs's cpu backend takes minutes
const reference = await wholeUNet();
await tf.setBackend('webgpu');
for (const precision of ['float32', 'mixed'] as const) {
  if (precision === 'mixed' && reason !== null) continue;
  await registerWebGPUKernels({ precision });
  device.pushErrorScope('validation');
  const actual = await wholeUNet();
  const invalid = await device.popErrorScope();
  const { output, gradient } = farthest(actual, reference);
  for (const [name, apart] of [
    ['UNet', output],
    [`UNet by ${gradient.name}`, gradient.apart],
  ] as const) {
    compared++;
    worst.set(`${precision} ${name}`, apart);
    if (apart <= WHOLE[precision] && !invalid) continue;
    wrong++;
    console.log(`${precision} ${name}: ${apart}`, invalid?.message.slice(0, 300) ?? '');
  }
}
report();
console.log(`${compared} results, ${wrong} wrong`);
await releaseBackend();
process.exit(wrong === 0 ? 0 : 1);
