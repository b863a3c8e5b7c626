// What training costs on the WebAssembly backend: tfjs's kernels as they come, and with registerWasmTrainingKernels.
// Times are CPU times of the one thread that works, the least of several runs, so that other load on the machine disturbs
// them little. `pnpm bench:wasm`
import '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { registerWasmTrainingKernels } from '../packages/backend/src/wasm/index';
import { withoutNativeKernels } from '../packages/backend/src/wasm/native/library';
import { groupNorm } from '../packages/nn/src/group-norm';
import { composedNormSilu, type NormSilu, TrainingStep } from './wasm-step';

type Run = () => unknown;
type Pad = number | [[0, 0], [number, number], [number, number], [0, 0]];

const cpuMilliseconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** Least CPU time of a run in milliseconds, over at least `runs` and about `budget` milliseconds. */
function least(run: Run, { runs = 3, budget = 150 } = {}): number {
  let best = Number.POSITIVE_INFINITY;
  const start = cpuMilliseconds();
  for (let i = 0; i < runs || cpuMilliseconds() - start < budget; i++) {
    if (i > 0 && cpuMilliseconds() - start > 4 * budget) break;
    const before = cpuMilliseconds();
    tf.dispose(run() as tf.TensorContainer);
    best = Math.min(best, cpuMilliseconds() - before);
  }
  return best;
}

function table(title: string, head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ');
  console.log(`\n${title}\n${line(head)}\n${rows.map(line).join('\n')}`);
}

const fixed = (value: number | null, digits = 1) => (value === null ? '-' : value.toFixed(digits));
const seeded = (shape: number[], seed: number) => tf.randomNormal(shape, 0, 1, 'float32', seed);
const kernel = (name: string, inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap): Run => {
  return () => tf.engine().runKernel(name, inputs, attrs);
};

/** tfjs's own Conv2DBackpropInput, which the registration replaces. */
let stockInputGradient: tf.KernelConfig;

function convolutions(): void {
  const asymmetric: Pad = [
    [0, 0],
    [0, 1],
    [0, 1],
    [0, 0],
  ];
  const shapes: [batch: number, size: number, inC: number, outC: number, filter: number, stride: number, pad: Pad][] = [
    [16, 32, 64, 64, 3, 1, 1],
    [16, 16, 128, 128, 3, 1, 1],
    [64, 8, 128, 128, 3, 1, 1],
    [4, 4, 256, 256, 3, 1, 1],
    [32, 32, 32, 32, 3, 1, 1],
    [16, 32, 64, 64, 3, 2, 1],
    [16, 32, 64, 64, 3, 2, asymmetric],
    [16, 32, 128, 64, 1, 1, 0],
    [16, 32, 64, 64, 1, 2, 0],
    [16, 32, 3, 64, 3, 1, 1],
    [16, 32, 64, 4, 3, 1, 1],
    [16, 32, 64, 3, 3, 1, 1],
  ];
  const rows = shapes.map(([batch, size, inC, outC, filter, stride, pad]) => {
    const x = seeded([batch, size, size, inC], 1) as tf.Tensor4D;
    const constant = seeded([filter, filter, inC, outC], 2) as tf.Tensor4D;
    const forward = () => tf.tidy(() => tf.conv2d(x, tf.add(constant, 0) as tf.Tensor4D, stride, pad)); // weights are new in every step
    const dy = forward();
    const attrs = { strides: stride, pad, dataFormat: 'NHWC' } as unknown as tf.NamedAttrMap;
    const input = kernel('Conv2DBackpropInput', { dy, filter: constant }, { ...attrs, inputShape: x.shape });
    const toFilter = kernel('Conv2DBackpropFilter', { x, dy }, { ...attrs, filterShape: constant.shape });
    const stockInput = () => {
      const args = {
        inputs: { dy, filter: constant },
        attrs: { ...attrs, inputShape: x.shape },
        backend: tf.backend(),
      };
      const info = stockInputGradient.kernelFunc(args) as tf.TensorInfo;
      return tf.engine().makeTensorFromTensorInfo(info);
    };
    const gigaflops = (run: Run) => (2 * dy.size * filter * filter * inC) / least(run) / 1e6;
    const [f, i, w] = [gigaflops(forward), gigaflops(input), gigaflops(toFilter)];
    const stock = withoutNativeKernels(() => [gigaflops(forward), gigaflops(stockInput), gigaflops(toFilter)]);
    const best = Math.max(f, stock[0] as number);
    tf.dispose([x, constant, dy]);
    const padding = typeof pad === 'number' ? `${pad}` : '0+1';
    return [
      `${batch} x ${size} x ${size} x ${inC} -> ${outC}, ${filter}x${filter} / ${stride}, pad ${padding}`,
      ...[...stock, f, i, w].map((value) => fixed(value as number)),
      ...[best / i, best / w].map((value) => fixed(value, 2)),
    ];
  });
  const head = [
    'convolution, GFLOP/s',
    'tfjs fwd',
    'input',
    'filter*',
    'ours fwd',
    'input',
    'filter',
    'fwd/input',
    'fwd/filter',
  ];
  table('Convolutions (* tfjs has none: composed of its kernels; ratios to the faster forward)', head, rows);
}

function products(): void {
  const shapes: [
    batch: number,
    m: number,
    n: number,
    k: number,
    transposeA: boolean,
    transposeB: boolean,
    what: string,
  ][] = [
    [1, 512, 512, 512, false, false, 'square'],
    [1, 16384, 64, 64, false, false, 'linear, forward'],
    [1, 16384, 64, 64, false, true, 'linear, to the input'],
    [1, 64, 64, 16384, true, false, 'linear, to the weights'],
    [32, 256, 256, 32, false, true, 'attention, q k^T'],
    [32, 256, 32, 256, false, false, 'attention, weights v'],
    [32, 256, 32, 256, true, false, 'attention, to v'],
    [1, 16, 512, 128, false, false, 'time embedding'],
  ];
  const rows = shapes.map(([batch, m, n, k, transposeA, transposeB, what]) => {
    const a = seeded(transposeA ? [batch, k, m] : [batch, m, k], 1);
    const b = seeded(transposeB ? [batch, n, k] : [batch, k, n], 2);
    const run = kernel('BatchMatMul', { a, b }, { transposeA, transposeB });
    const gigaflops = () => (2 * batch * m * n * k) / least(run) / 1e6;
    const [stock, ours] = [withoutNativeKernels(gigaflops), gigaflops()];
    tf.dispose([a, b]);
    return [`${batch} x ${m} x ${n} x ${k}, ${what}`, fixed(stock), fixed(ours), fixed(ours / stock)];
  });
  table('Matrix products', ['batch x m x n x k, GFLOP/s', 'tfjs', 'ours', 'ratio'], rows);
}

function movements(): void {
  const x = seeded([8, 32, 32, 64], 1) as tf.Tensor4D;
  const y = seeded([8, 32, 32, 64], 2) as tf.Tensor4D;
  const small = seeded([8, 16, 16, 64], 3) as tf.Tensor4D;
  const bytes = 4 * x.size;
  const cases: [what: string, moved: number, run: Run][] = [
    ['transpose to NCHW', 2 * bytes, () => tf.transpose(x, [0, 3, 1, 2])],
    ['transpose to heads', 2 * bytes, () => tf.tidy(() => tf.transpose(tf.reshape(x, [8, 1024, 4, 16]), [0, 2, 1, 3]))],
    ['sum over N, H, W', bytes, () => tf.sum(x, [0, 1, 2])],
    ['mean over H, W', bytes, () => tf.mean(x, [1, 2])],
    ['sum over channels', bytes, () => tf.sum(x, 3)],
    ['slice half the channels', bytes, () => tf.slice(x, [0, 0, 0, 0], [8, 32, 32, 32])],
    ['concat of channels', 4 * bytes, () => tf.concat([x, y], 3)],
    ['split of channels', 2 * bytes, () => tf.split(x, 4, 3)],
    ['stack', 4 * bytes, () => tf.stack([x, y], 4)],
    ['tile', 1.25 * bytes, () => tf.tile(small, [1, 2, 2, 1])],
    ['resize nearest x 2', 1.25 * bytes, () => tf.image.resizeNearestNeighbor(small, [32, 32])],
    [
      '  its gradient',
      1.25 * bytes,
      kernel(
        'ResizeNearestNeighborGrad',
        { images: small, dy: x },
        { alignCorners: false, halfPixelCenters: false, size: [16, 16] },
      ),
    ],
    ['depth to space', 2 * bytes, () => tf.depthToSpace(x, 2)],
    ['exp', 2 * bytes, () => tf.exp(x)],
    ['tanh', 2 * bytes, () => tf.tanh(x)],
    ['softplus', 2 * bytes, () => tf.softplus(x)],
    ['erf (GELU)', 2 * bytes, () => tf.erf(x)],
  ];
  const rows = cases.map(([what, moved, run]) => {
    const gigabytes = () => moved / least(run, { budget: 60 }) / 1e6;
    const [stock, ours] = [withoutNativeKernels(gigabytes), gigabytes()];
    return [what, fixed(stock, 2), fixed(ours, 2), fixed(ours / stock)];
  });
  tf.dispose([x, y, small]);
  table('Copies, sums and functions of [8, 32, 32, 64]', ['GB/s read and written', 'tfjs', 'ours', 'ratio'], rows);
}

function steps(): void {
  const batch = 8;
  const fused: NormSilu = (x, scale, shift, groups) => groupNorm(x, scale, shift, { groups, eps: 1e-5, silu: true });
  const measure = (normSilu: NormSilu) => {
    const step = new TrainingStep(batch, normSilu);
    step.run();
    const time = least(() => step.run(), { runs: 2, budget: 1 });
    step.dispose();
    return time;
  };
  const stock = withoutNativeKernels(() => measure(composedNormSilu));
  const rows = [
    ['tfjs kernels, missing ones composed of them', stock],
    ['ours, GroupNorm and SiLU composed', measure(composedNormSilu)],
    ['ours, GroupNorm and SiLU in one kernel', measure(fused)],
  ].map(([what, time]) => [what as string, fixed(time as number, 0), fixed(stock / (time as number), 2)]);
  table(`A training step of a small UNet, batch ${batch} of 32 x 32 x 3`, ['', 'ms', 'times as fast'], rows);
}

await tf.setBackend('wasm');
stockInputGradient = tf.getKernel('Conv2DBackpropInput', 'wasm');
registerWasmTrainingKernels();
convolutions();
products();
movements();
steps();
