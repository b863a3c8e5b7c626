// Every mixed tile, and those of rows of images, on the convolutions of a UNet that matter most: how far their values are
// from those of the smallest other mixed tile, and how long they take. `pnpm exec tsx bench/halo-gpu.ts --seconds 80`.
import '@tensorflow/tfjs';
import { parseArgs } from 'node:util';
import { releaseBackend, useBackend } from '@sd/backend';
import { registerWebGPUKernels, whyNotMixed } from '@sd/webgpu';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { convGeometry, forwardGemm, inputGradientGemm } from '../packages/webgpu/src/gemm/convolution';
import { magnitudes } from '../packages/webgpu/src/gemm/magnitudes';
import { suits } from '../packages/webgpu/src/gemm/plan';
import { type Plan, runGemm } from '../packages/webgpu/src/gemm/run-gemm';
import { type MixedTile, tileKey } from '../packages/webgpu/src/gemm/tile';
import { TILES, tileOf } from '../packages/webgpu/src/gemm/tiles';
import { SETTLE } from './lib/gpu-ceilings';
import { deviceMilliseconds, drain, load } from './lib/gpu-clock';

const { values: options } = parseArgs({ options: { seconds: { type: 'string', default: '80' } } });
const COMPILE_ONLY = 'WEBGPU_ENGINE_COMPILE_ONLY';
const deadline = performance.now() + 1000 * Number(options.seconds);
/** Of the largest value, between two tiles of one precision: they differ in the order of their sums. */
const TOLERANCE = 1e-4;
const SHAPES = [
  ['forward', 64, 64, 64, 64],
  ['forward', 64, 32, 128, 128],
  ['input', 32, 64, 64, 64],
  ['forward', 64, 16, 192, 192],
  ['forward', 64, 64, 128, 64],
  ['input', 32, 32, 128, 128],
  ['forward', 64, 32, 256, 128],
  ['forward', 1, 64, 64, 64],
] as const;

tf.enableProdMode();
console.log((await useBackend('webgpu')).explanation);
await registerWebGPUKernels();
const backend = tf.backend() as WebGPUBackend;
const reason = whyNotMixed(backend.device);
if (reason !== null) throw new Error(`halo-gpu: mixed precision is not to be had: ${reason}`);

const random = (shape: number[], seed: number) => tf.randomNormal(shape, 0, 1, 'float32', seed);
const valuesOf = async (run: () => tf.TensorInfo) => {
  const tensor = tf.engine().makeTensorFromTensorInfo(run());
  const values = (await tensor.data<'float32'>()).slice();
  tensor.dispose();
  return values as Float32Array;
};
const isHalo = (tile: MixedTile) => tile.halo !== 'none';

let wrong = 0;
for (const [kind, batch, size, inC, outC] of SHAPES) {
  if (performance.now() > deadline) {
    console.log('out of time');
    break;
  }
  const g = convGeometry([batch, size, size, inC], [3, 3, inC, outC], { strides: 1, pad: 'same' });
  // Images that differ in size only: it is the bench's own processor that draws normal numbers.
  const image = tf.tidy(() =>
    tf.mul(
      random([1, size, size, kind === 'forward' ? inC : outC], 1),
      tf.reshape(tf.range(1, batch + 1), [batch, 1, 1, 1]),
    ),
  );
  const filter = random([3, 3, inC, outC], 2);
  const bias = random([outC], 3);
  const gemm = kind === 'forward' ? forwardGemm(image, filter, g, { bias }) : inputGradientGemm(image, filter, g);
  const peaks = kind === 'input' ? magnitudes(backend, image, filter, 'left') : undefined;
  const mixed = TILES.filter((tile): tile is MixedTile => tile.kind === 'mixed');
  const plans = mixed
    .filter((tile) => suits(tile, 'mixed', gemm, backend.device))
    .map((tile): Plan & { tile: MixedTile } => ({ tile, parts: 1, ...(peaks && { magnitudes: peaks }) }));
  const make = (plan: Plan) => () => runGemm(backend, gemm, plan);
  const run = (plan: Plan) => () => backend.disposeData(make(plan)().dataId);
  tf.env().set(COMPILE_ONLY, true);
  for (const plan of plans) run(plan)();
  await backend.checkCompileCompletionAsync();
  tf.env().set(COMPILE_ONLY, false);

  const reference = { tile: tileOf('m64x64x32_32x32_1'), parts: 1, ...(peaks && { magnitudes: peaks }) };
  const expected = await valuesOf(make(reference));
  let largest = 0;
  for (const value of expected) largest = Math.max(largest, Math.abs(value));
  const apart = new Map<Plan, number>();
  for (const plan of plans.filter(({ tile }) => isHalo(tile))) {
    const poison = tf.fill([...gemm.outShape], Number.NaN);
    await drain(backend);
    poison.dispose();
    const actual = await valuesOf(make(plan));
    let most = 0;
    for (let i = 0; i < actual.length; i++) {
      const difference = Math.abs((actual[i] as number) - (expected[i] as number));
      if (!(difference <= most)) most = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    }
    apart.set(plan, most / largest);
    if (!(most <= TOLERANCE * largest)) wrong++;
  }
  await load(backend, run(reference), SETTLE);
  const measured: { plan: Plan & { tile: MixedTile }; ms: number }[] = [];
  for (const plan of plans) measured.push({ plan, ms: await deviceMilliseconds(backend, run(plan), 8) });
  measured.sort((p, q) => p.ms - q.ms);
  const { m, n, k } = gemm;
  console.log(`${kind}, batch ${batch}, ${size} x ${size}, ${inC} -> ${outC}: ${plans.length} tiles`);
  const others = measured.filter(({ plan }) => !isHalo(plan.tile)).slice(0, 2);
  for (const { plan, ms } of [...measured.filter(({ plan: { tile } }) => isHalo(tile)), ...others]) {
    const rate = ((2 * m * n * k) / ms / 1e9).toFixed(0).padStart(4);
    const difference = apart.get(plan)?.toExponential(1) ?? '';
    console.log(`  ${tileKey(plan.tile).padEnd(26)} ${ms.toFixed(4)} ms ${rate} TFLOP/s ${difference}`);
  }
  if (peaks) backend.disposeData(peaks.dataId);
  tf.dispose([image, filter, bias]);
}
console.log(`${wrong} wrong`);
await releaseBackend();
process.exit(wrong === 0 ? 0 : 1);
