import { ATTENTION_GRAD_KERNEL, ATTENTION_KERNEL } from '@sd/nn';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { f32, i32, run, type WebGPUKernel } from './program';

/** Rows of the result that a workgroup takes, a thread each. */
const WORKGROUP = 64;
/** Bytes of workgroup memory that every device has. */
const WORKGROUP_MEMORY = 16384;
/** Numbers that the backward pass needs of each query: the largest logit, 1 / sum of exp(logit - largest), y . dy */
const STATISTICS = 3;

/**
 * Flash attention (Dao et al. 2022) in plain WGSL. A thread keeps a row of q (or of k, where the result belongs to the
 * keys) and of the result in registers; the workgroup walks over the other tokens in tiles of workgroup memory, and no
 * T x S tensor is ever made. Rows are `vec4`s, filled up with zeros.
 *
 * A name stands for rows of one tensor: `own` rows are the thread's, `tiles` those that are walked over.
 */
type Walk = {
  readonly key: string;
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly outputShape: readonly number[];
  readonly own: readonly string[];
  readonly tiles: readonly string[];
  /** Whether rows of the input `stats` lie beside the tiles. */
  readonly statistics?: boolean;
  /** WGSL before the walk, for each four tiles from `c` on, and after it for threads that have a row, `row`. */
  readonly before: string;
  readonly each: string;
  readonly after: string;
};

const width = (tensor: TensorInfo) => tensor.shape[3] as number;
const quadsOf = (tensor: TensorInfo) => Math.ceil(width(tensor) / 4);
const repeat = (count: number, line: (i: number) => string, separator = '\n') =>
  Array.from({ length: count }, (_, i) => line(i)).join(separator);

/** WGSL: four numbers of a row, zeros past its end. */
function fetch(name: string, tensor: TensorInfo): string {
  const columns = width(tensor);
  const value = (i: number) =>
    columns % 4 === 0 ? `${name}[first + ${i}]` : `select(0.0, ${name}[first + ${i}], 4 * quad + ${i} < ${columns})`;
  return `
    fn fetch_${name}(row : i32, quad : i32) -> vec4<f32> {
      let first = row * ${columns} + 4 * quad;
      return vec4<f32>(${repeat(4, value, ', ')});
    }`;
}

// Loops rather than lines: compilers of GPUs unroll them, and others are spared the many lines.
const loop = (quads: number, body: string) => `for (var i = 0; i < ${quads}; i = i + 1) { ${body} }`;
const tileAt = (tile: string, quads: number, j: number) => `tile_${tile}[(c + ${j}) * ${quads} + i]`;
/** WGSL: declares `products`, those of the thread's row of `own` with four tile rows. */
const dots = (products: string, own: string, tile: string, quads: number) => `
  var ${products} = vec4<f32>(0.0);
  ${loop(
    quads,
    `let own = own_${own}[i];
    ${products} = ${products} + vec4<f32>(${repeat(4, (j) => `dot(own, ${tileAt(tile, quads, j)})`, ', ')});`,
  )}`;
/** WGSL: adds four tile rows, weighted, to the thread's accumulator. */
const accumulate = (weights: string, tile: string, quads: number, decay = '') =>
  loop(quads, `sum[i] = sum[i]${decay} + ${repeat(4, (j) => `${weights}[${j}] * ${tileAt(tile, quads, j)}`, ' + ')};`);
/** WGSL: the accumulator, which begins as zeros. */
const zeros = (quads: number) => `var sum : array<vec4<f32>, ${quads}>;`;

function walk(backend: WebGPUBackend, options: Walk): TensorInfo {
  const { key, inputs, outputShape, own, tiles, statistics = false, before, each, after } = options;
  const tensor = (name: string) => inputs[name] as TensorInfo;
  const [n = 1, heads = 1, rows = 1] = outputShape;
  const others = tensor(tiles[0] as string).shape[2] as number;
  const q = tensor('q');
  const bytes = tiles.reduce((sum, name) => sum + 16 * quadsOf(tensor(name)), statistics ? 4 * STATISTICS : 0);
  const tile = 4 * Math.min(8, Math.floor(WORKGROUP_MEMORY / bytes / 4));
  const blocks = Math.ceil(rows / WORKGROUP);
  const widths = Object.values(inputs).map((input) => width(input));
  return run(backend, {
    key: `attention_${key}_${widths.join('_')}`,
    inputs,
    outputShape,
    numbers: {
      batch: i32(n * heads),
      rows: i32(rows),
      others: i32(others),
      blocks: i32(blocks),
      scale: f32(width(q) ** -0.5),
    },
    workgroups: n * heads * blocks,
    workgroupSize: WORKGROUP,
    declarations: `
      ${[...new Set([...own, ...tiles])].map((name) => fetch(name, tensor(name))).join('')}
      ${tiles.map((name) => `var<workgroup> tile_${name} : array<vec4<f32>, ${tile * quadsOf(tensor(name))}>;`).join('\n')}
      ${statistics ? `var<workgroup> tile_stats : array<f32, ${tile * STATISTICS}>;` : ''}`,
    code: `
      let image = min(group / uniforms.blocks, uniforms.batch - 1);
      let token = (group % uniforms.blocks) * ${WORKGROUP} + lane;
      let isRow = token < uniforms.rows && group / uniforms.blocks < uniforms.batch;
      let row = image * uniforms.rows + min(token, uniforms.rows - 1);
      let firstOther = image * uniforms.others;
      ${own
        .map((name) => {
          const quads = quadsOf(tensor(name));
          return `
            var own_${name} : array<vec4<f32>, ${quads}>;
            ${loop(quads, `own_${name}[i] = fetch_${name}(row, i);`)}`;
        })
        .join('')}
      ${before}
      for (var first = 0; first < uniforms.others; first = first + ${tile}) {
        workgroupBarrier();
        ${tiles
          .map((name) => {
            const quads = quadsOf(tensor(name));
            return `
              for (var i = lane; i < ${tile * quads}; i = i + ${WORKGROUP}) {
                let other = first + i / ${quads};
                var values = vec4<f32>(0.0);
                if (other < uniforms.others) { values = fetch_${name}(firstOther + other, i % ${quads}); }
                tile_${name}[i] = values;
              }`;
          })
          .join('')}
        ${
          statistics
            ? `for (var i = lane; i < ${tile * STATISTICS}; i = i + ${WORKGROUP}) {
                let other = first + i / ${STATISTICS};
                var value = 0.0;
                if (other < uniforms.others) {
                  value = stats[(firstOther + other) * ${STATISTICS} + i % ${STATISTICS}];
                }
                tile_stats[i] = value;
              }`
            : ''
        }
        workgroupBarrier();
        for (var c = 0; c < ${tile}; c = c + 4) {
          let isOther = vec4<i32>(0, 1, 2, 3) + first + c < vec4<i32>(uniforms.others);
          ${each}
        }
      }
      if (isRow) { ${after} }`,
  });
}

/** WGSL: writes the thread's accumulator, times a factor, as its row of the result. */
const write = (columns: number, factor: string) => `
  for (var i = 0; i < ${columns}; i = i + 1) { result[row * ${columns} + i] = sum[i / 4][i % 4] * ${factor}; }`;

/** WGSL: logits of four keys and the running maximum and sum of exponentials. */
const softmaxStep = (quads: number) => `
  ${dots('products', 'q', 'k', quads)}
  let logits = select(vec4<f32>(-3e38), uniforms.scale * products, isOther);
  let larger = max(largest, max(max(logits.x, logits.y), max(logits.z, logits.w)));
  let decay = exp(largest - larger);
  let weights = exp(logits - larger);
  total = total * decay + (weights.x + weights.y + weights.z + weights.w);
  largest = larger;`;
const SOFTMAX_START = 'var largest = -3e38; var total = 0.0;';

/** {q `[N, heads, T, D]`, k `[N, heads, S, D]`, v `[N, heads, S, E]`} -> y `[N, heads, T, E]`, in one dispatch. */
export const attention: WebGPUKernel = {
  kernelName: ATTENTION_KERNEL,
  run: ({ inputs, backend }) => {
    const { q, k, v } = inputs as Readonly<Record<'q' | 'k' | 'v', TensorInfo>>;
    const [n, heads, t] = q.shape as [number, number, number];
    return walk(backend, {
      key: 'forward',
      inputs: { q, k, v },
      outputShape: [n, heads, t, width(v)],
      own: ['q'],
      tiles: ['k', 'v'],
      before: SOFTMAX_START + zeros(quadsOf(v)),
      each: softmaxStep(quadsOf(q)) + accumulate('weights', 'v', quadsOf(v), ' * decay'),
      after: write(width(v), '(1.0 / total)'),
    });
  },
};

/** {q, k, v, y, dy} -> [dq, dk, dv], in four dispatches: the queries' statistics, then each gradient. */
export const attentionGrad: WebGPUKernel = {
  kernelName: ATTENTION_GRAD_KERNEL,
  run: ({ inputs, backend }) => {
    const { q, k, v, y, dy } = inputs as Readonly<Record<'q' | 'k' | 'v' | 'y' | 'dy', TensorInfo>>;
    const [n, heads, t] = q.shape as [number, number, number];
    const [d, e] = [quadsOf(q), quadsOf(v)];
    const stats = walk(backend, {
      key: 'statistics',
      inputs: { q, k, y, dy },
      outputShape: [n, heads, t, STATISTICS],
      own: ['q', 'y', 'dy'],
      tiles: ['k'],
      before: SOFTMAX_START,
      each: softmaxStep(d),
      after: `
        var product = 0.0;
        ${loop(e, 'product = product + dot(own_y[i], own_dy[i]);')}
        result[row * ${STATISTICS}] = largest;
        result[row * ${STATISTICS} + 1] = 1.0 / total;
        result[row * ${STATISTICS} + 2] = product;`,
    });
    // ds = p (dp - y . dy), p the weights, dp = dy . v
    const dq = walk(backend, {
      key: 'dq',
      inputs: { q, k, v, dy, stats },
      outputShape: q.shape,
      own: ['q', 'dy'],
      tiles: ['k', 'v'],
      before: `
        let largest = stats[row * ${STATISTICS}];
        let share = stats[row * ${STATISTICS} + 1];
        let mean = stats[row * ${STATISTICS} + 2];
        ${zeros(d)}`,
      each: `
        ${dots('products', 'q', 'k', d)}
        ${dots('dWeights', 'dy', 'v', e)}
        let logits = select(vec4<f32>(-3e38), uniforms.scale * products, isOther);
        let ds = exp(logits - largest) * share * (dWeights - mean);
        ${accumulate('ds', 'k', d)}`,
      after: write(width(q), 'uniforms.scale'),
    });
    const tileStats = (which: number) =>
      `vec4<f32>(${repeat(4, (j) => `tile_stats[(c + ${j}) * ${STATISTICS} + ${which}]`, ', ')})`;
    // past the last query everything in the tile is 0, and so are the weights
    const weights = `
      ${dots('products', 'k', 'q', d)}
      let weights = exp(uniforms.scale * products - ${tileStats(0)}) * ${tileStats(1)};`;
    const dk = walk(backend, {
      key: 'dk',
      inputs: { q, k, v, dy, stats },
      outputShape: k.shape,
      own: ['k', 'v'],
      tiles: ['q', 'dy'],
      statistics: true,
      before: zeros(d),
      each: `
        ${weights}
        ${dots('dWeights', 'v', 'dy', e)}
        let ds = weights * (dWeights - ${tileStats(2)});
        ${accumulate('ds', 'q', d)}`,
      after: write(width(k), 'uniforms.scale'),
    });
    const dv = walk(backend, {
      key: 'dv',
      inputs: { q, k, dy, stats },
      outputShape: v.shape,
      own: ['k'],
      tiles: ['q', 'dy'],
      statistics: true,
      before: zeros(e),
      each: `${weights} ${accumulate('weights', 'dy', e)}`,
      after: write(width(v), '1.0'),
    });
    backend.disposeData(stats.dataId);
    return [dq, dk, dv];
  },
};
