// Measures which tile is fastest for each product of matrices that the models ask for, and writes the table that
// @sd/webgpu chooses by. `pnpm tune:gpu` on a machine with a fast GPU; without `--write` it only prints what it measured.
// `--missing` passes over products that have a row in the table, `--of PATTERN` over all but those of some passes.
import '@tensorflow/tfjs';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { releaseBackend, useBackend } from '@sd/backend';
import { randomKey } from '@sd/core';
import { valueAndGradients } from '@sd/nn';
import { presets, UNet } from '@sd/unet';
import { registerWebGPUKernels, whyNotMixed } from '@sd/webgpu';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import type { Gemm } from '../packages/webgpu/src/gemm/gemm';
import { suits, workgroupsOf } from '../packages/webgpu/src/gemm/plan';
import { observer } from '../packages/webgpu/src/gemm/product';
import { type Plan, runGemm } from '../packages/webgpu/src/gemm/run-gemm';
import { depthOf, type Tile, tileKey } from '../packages/webgpu/src/gemm/tile';
import { TILES, tileOf } from '../packages/webgpu/src/gemm/tiles';
import { TUNED } from '../packages/webgpu/src/gemm/tuning-table';
import { SETTLE } from './lib/gpu-ceilings';
import { deviceMilliseconds, drain, load } from './lib/gpu-clock';

const { values: options } = parseArgs({
  options: {
    write: { type: 'string' },
    seconds: { type: 'string', default: '120' },
    precision: { type: 'string', default: 'float32,mixed' },
    missing: { type: 'boolean', default: false },
    of: { type: 'string', default: '' },
  },
});
const COMPILE_ONLY = 'WEBGPU_ENGINE_COMPILE_ONLY';
const deadline = performance.now() + 1000 * Number(options.seconds);

tf.enableProdMode();
console.log((await useBackend('webgpu')).explanation);
await registerWebGPUKernels();
const backend = tf.backend() as WebGPUBackend;

/** A product without its tensors. */
type Shape = Omit<Gemm, 'left' | 'right' | 'epilogue'> & {
  readonly left: Omit<Gemm['left'], 'tensor'> & { readonly size: number };
  readonly right: Omit<Gemm['right'], 'tensor'> & { readonly size: number };
  count: number;
  readonly from: string;
};

const shapes = new Map<string, Shape>();
const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

async function collect(from: string, run: () => void): Promise<void> {
  observer.current = ({ left, right, m, n, k, batches, outShape }) => {
    const key = [from, left.layout, right.layout, m, n, k, batches].join(' ');
    const known = shapes.get(key);
    if (known) known.count++;
    else {
      shapes.set(key, {
        ...{ m, n, k, batches, outShape, from, count: 1 },
        left: { ...left, size: sizeOf(left.tensor.shape) },
        right: { ...right, size: sizeOf(right.tensor.shape) },
      });
    }
  };
  run();
  observer.current = null;
  await drain(backend);
}

const config = presets['sd-ffhq'];
const model = new UNet(config).initialize(randomKey(1));
const forward = (batch: number) =>
  tf.tidy(() => {
    const images = tf.randomNormal([batch, 64, 64, 3], 0, 1, 'float32', 1) as tf.Tensor4D;
    model.forward(images, 500);
  });
await collect('forward, batch 1', () => forward(1));
await collect('forward, batch 64', () => forward(64));
await collect('step, batch 32', () => {
  const images = tf.randomNormal([32, 64, 64, 3], 0, 1, 'float32', 1) as tf.Tensor4D;
  const { value, gradients } = valueAndGradients(
    () => tf.mean(tf.square(model.forward(images, 500))) as tf.Scalar,
    model.parameters(),
  );
  tf.dispose([images, value, ...gradients.values()]);
});
model.dispose();
const square = 4096;
shapes.set('matmul 4096', {
  ...{ m: square, n: square, k: square, batches: 1, outShape: [square, square], from: 'matmul 4096', count: 1 },
  left: { layout: 'rows', batchStride: 0, size: square * square },
  right: { layout: 'rows', batchStride: 0, channels: square, size: square * square },
});
console.log(`${shapes.size} shapes`);

/** Parts of the sum worth a try: from one workgroup for each of a GPU's some hundred units to several. */
function partsFor(shape: Shape, tile: Tile): number[] {
  const one = workgroupsOf(tile, shape);
  const most = Math.max(1, Math.floor(shape.k / (4 * depthOf(tile))));
  const wanted = [132, 264, 528, 1056].map((groups) => Math.min(most, Math.max(1, Math.round(groups / one))));
  return [...new Set([1, ...wanted])].filter((parts) => parts === 1 || one * parts <= 1500);
}

type Measured = { readonly tile: Tile; readonly parts: number; readonly ms: number };

async function fastest(shape: Shape, kind: Tile['kind']): Promise<Measured[]> {
  const make = (size: number) => tf.randomUniform([size], -1, 1, 'float32', 1);
  const [a, b] = [make(shape.left.size), make(shape.right.size)];
  const gemm: Gemm = { ...shape, left: { ...shape.left, tensor: a }, right: { ...shape.right, tensor: b } };
  const run = (plan: Plan) => () => backend.disposeData(runGemm(backend, gemm, plan).dataId);
  const plans = TILES.filter((each) => suits(each, kind, gemm, backend.device)).flatMap((tile) => {
    const one = workgroupsOf(tile, shape);
    if (tile.bm > 2 * Math.max(shape.m, 32) || tile.bn > 2 * Math.max(shape.n, 32) || one > 200_000) return [];
    return (one > 528 ? [1] : partsFor(shape, tile)).map((parts): Plan => ({ tile, parts }));
  });
  // All are compiled, side by side, before any is timed: in pauses to compile the clocks fall.
  tf.env().set(COMPILE_ONLY, true);
  for (const plan of plans) run(plan)();
  await backend.checkCompileCompletionAsync();
  tf.env().set(COMPILE_ONLY, false);
  if (plans[0]) await load(backend, run(plans[0]), SETTLE);
  const measured: Measured[] = [];
  for (const plan of plans) measured.push({ ...plan, ms: await deviceMilliseconds(backend, run(plan), 3) });
  measured.sort((p, q) => p.ms - q.ms);
  const best: Measured[] = [];
  for (const { tile, parts } of measured.slice(0, 3)) {
    best.push({ tile, parts, ms: await deviceMilliseconds(backend, run({ tile, parts }), 12) });
  }
  tf.dispose([a, b]);
  return best.sort((p, q) => p.ms - q.ms);
}

const asked = options.precision.split(',');
const kinds = (['float32', 'mixed'] as const).filter(
  (kind) => asked.includes(kind) && (kind === 'float32' || whyNotMixed(backend.device) === null),
);
const rows: string[] = [];
const totals = new Map<string, number>();
// Large ones first: where the time runs out, the small ones keep what is there.
const work = ({ m, n, k, batches, count }: Shape) => m * n * k * batches * count;
const alongOf = ({ left }: Shape) => (left.layout === 'rows' || left.layout === 'gather' ? 'rows' : 'columns');
const isKnown = (shape: Shape, kind: Tile['kind']) =>
  TUNED.some(
    ({ left, m, n, k, tile }) =>
      tileOf(tile).kind === kind &&
      left === alongOf(shape) &&
      [m, n, k].join() === [shape.m * shape.batches, shape.n, shape.k].join(),
  );
const pattern = new RegExp(options.of);
for (const shape of [...shapes.values()].sort((p, q) => work(q) - work(p))) {
  if (!pattern.test(shape.from)) continue;
  if (performance.now() > deadline) {
    console.log('out of time');
    break;
  }
  const { m, n, k, batches, count, from } = shape;
  const texts: string[] = [];
  for (const kind of kinds) {
    if (options.missing && isKnown(shape, kind)) continue;
    const [best] = await fastest(shape, kind);
    if (!best) continue;
    const { tile, parts, ms } = best;
    totals.set(`${from}, ${kind}`, (totals.get(`${from}, ${kind}`) ?? 0) + ms * count);
    texts.push(`${tileKey(tile)}/${parts} ${ms.toFixed(4)} ms ${((2 * m * n * k * batches) / ms / 1e9).toFixed(1)}`);
    rows.push(
      `  { left: '${alongOf(shape)}', m: ${m * batches}, n: ${n}, k: ${k}, tile: '${tileKey(tile)}', workgroups: ${workgroupsOf(tile, shape) * parts} },`,
    );
  }
  if (texts.length === 0) continue;
  if (options.write) writeFileSync(options.write, `${[...new Set(rows)].join('\n')}\n`);
  console.log(
    `${from} ${count} x ${shape.left.layout}/${shape.right.layout} ${m} ${n} ${k} b${batches}: ${texts.join(' | ')}`,
  );
}
for (const [name, ms] of totals) console.log(`products of ${name}: ${ms.toFixed(2)} ms`);
await releaseBackend();
process.exit(0);
