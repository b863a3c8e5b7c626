import { ATTENTION_GRAD_KERNEL, ATTENTION_KERNEL } from '@sd/nn';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { f32, i32, run, type WebGPUKernel } from './program';

const WORKGROUP = 64;
/** Bytes of workgroup memory that every device has. */
const WORKGROUP_MEMORY = 16384;
/** Numbers of its rows that a thread keeps at most; GPUs have some 255 registers for it. */
const KEPT = 192;
/** Threads below which rows are spread over more of them. */
const FEWEST_THREADS = 16384;
/** Quads of a row up to which loops over them are written out: with constant indices, arrays stay in registers. */
const WRITTEN_OUT = 8;
/** Numbers that the backward pass needs of each query: the largest logit, 1 / sum of exp(logit - largest), y . dy */
const STATISTICS = 3;

/**
 * Flash attention (Dao et al. 2022) in plain WGSL. A thread keeps some rows of q (or of k, where the result belongs to the
 * keys) and of the result in registers; the workgroup walks over the other tokens in tiles of workgroup memory, and no
 * T x S tensor is ever made. What is read of a tile serves all rows of a thread: reading is what limits it. Rows are
 * `vec4`s, filled up with zeros.
 *
 * A name stands for rows of one tensor: `own` rows are the thread's, `tiles` those that are walked over. What belongs to
 * the thread's row r ends in `_r`.
 */
type Walk = {
  readonly key: string;
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly outputShape: readonly number[];
  readonly own: readonly string[];
  readonly tiles: readonly string[];
  /** Whether rows of the input `stats` lie beside the tiles. */
  readonly statistics?: boolean;
  /** Quads of the sum that is made for each row, `sum_r`. */
  readonly sums: number;
  /** WGSL before the walk for a row, for each four tile rows from `c` on, and after it for a row, `row`, that exists. */
  readonly before: (r: number) => string;
  readonly each: (rows: number) => string;
  readonly after: (r: number) => string;
};

const width = (tensor: TensorInfo) => tensor.shape[3] as number;
const quadsOf = (tensor: TensorInfo) => Math.ceil(width(tensor) / 4);
const repeat = (count: number, line: (i: number) => string, separator = '\n') =>
  Array.from({ length: count }, (_, i) => line(i)).join(separator);

/** Rows that a thread takes, of so many quads each: as many as it can keep, if enough threads are left. */
const rowsPerThread = (rows: number, quads: number) =>
  [4, 2].find((each) => 4 * quads * each <= KEPT && rows / each >= FEWEST_THREADS) ?? 1;

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

/** A dot product that continues another: `dot` would end in an addition of its own. */
const ADD_DOT = `
  fn addDot(a : vec4<f32>, b : vec4<f32>, sum : f32) -> f32 {
    return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
  }`;
/** WGSL: a body for each quad of a row. */
const eachQuad = (quads: number, body: (i: number | 'i') => string) =>
  quads <= WRITTEN_OUT
    ? repeat(quads, (i) => `{ ${body(i)} }`)
    : `for (var i = 0; i < ${quads}; i = i + 1) { ${body('i')} }`;
/** WGSL: declares quad i of four tile rows, `other_0` to `other_3`. */
const others = (tile: string, quads: number, i: number | 'i') =>
  repeat(4, (j) => `let other_${j} = tile_${tile}[(c + ${j}) * ${quads} + ${i}];`);
/** WGSL: declares `products_r`, those of the thread's rows of `own` with four tile rows. */
const dots = (rows: number, products: string, own: string, tile: string, quads: number) => `
  ${repeat(rows, (r) => `var ${products}_${r} = vec4<f32>(0.0);`)}
  ${eachQuad(quads, (i) => {
    const product = (r: number, j: number) => `addDot(own_${own}_${r}[${i}], other_${j}, ${products}_${r}[${j}])`;
    return `
      ${others(tile, quads, i)}
      ${repeat(rows, (r) => `${products}_${r} = vec4<f32>(${repeat(4, (j) => product(r, j), ', ')});`)}`;
  })}`;
/** WGSL: adds four tile rows to each sum, weighted by `weights_r`. */
const accumulate = (rows: number, weights: string, tile: string, quads: number, decay = (_: number) => '') =>
  eachQuad(quads, (i) => {
    const sum = (r: number) =>
      [0, 1, 2, 3].reduce(
        (before, j) => `fma(vec4<f32>(${weights}_${r}[${j}]), other_${j}, ${before})`,
        `sum_${r}[${i}]${decay(r)}`,
      );
    return `${others(tile, quads, i)} ${repeat(rows, (r) => `sum_${r}[${i}] = ${sum(r)};`)}`;
  });

function walk(backend: WebGPUBackend, options: Walk): TensorInfo {
  const { key, inputs, outputShape, own, tiles, statistics = false, sums, before, each, after } = options;
  const tensor = (name: string) => inputs[name] as TensorInfo;
  const [n = 1, heads = 1, tokens = 1] = outputShape;
  const others = tensor(tiles[0] as string).shape[2] as number;
  const q = tensor('q');
  const bytes = tiles.reduce((sum, name) => sum + 16 * quadsOf(tensor(name)), statistics ? 4 * STATISTICS : 0);
  const tile = 4 * Math.min(8, Math.floor(WORKGROUP_MEMORY / bytes / 4));
  const kept = own.reduce((sum, name) => sum + quadsOf(tensor(name)), sums);
  const rows = rowsPerThread(n * heads * tokens, kept);
  const blocks = Math.ceil(tokens / (WORKGROUP * rows));
  const rowTensors = Object.entries(inputs).filter(([name]) => name !== 'stats');
  return run(backend, {
    key: `attention_${key}_${rows}_${rowTensors.map(([, input]) => width(input)).join('_')}`,
    inputs,
    outputShape,
    numbers: {
      batch: i32(n * heads),
      tokens: i32(tokens),
      others: i32(others),
      blocks: i32(blocks),
      scale: f32(width(q) ** -0.5),
    },
    workgroups: n * heads * blocks,
    workgroupSize: WORKGROUP,
    declarations: `
      ${ADD_DOT}
      ${rowTensors.map(([name, input]) => fetch(name, input)).join('')}
      ${tiles.map((name) => `var<workgroup> tile_${name} : array<vec4<f32>, ${tile * quadsOf(tensor(name))}>;`).join('\n')}
      ${statistics ? `var<workgroup> tile_stats : array<f32, ${tile * STATISTICS}>;` : ''}`,
    code: `
      let image = min(group / uniforms.blocks, uniforms.batch - 1);
      let firstToken = (group % uniforms.blocks) * ${WORKGROUP * rows} + lane;
      let firstOther = image * uniforms.others;
      ${repeat(rows, (r) => {
        const keep = (name: string) => {
          const quads = quadsOf(tensor(name));
          return `
            var own_${name}_${r} : array<vec4<f32>, ${quads}>;
            ${eachQuad(quads, (i) => `own_${name}_${r}[${i}] = fetch_${name}(row_${r}, ${i});`)}`;
        };
        return `
          let token_${r} = firstToken + ${WORKGROUP * r};
          let row_${r} = image * uniforms.tokens + min(token_${r}, uniforms.tokens - 1);
          ${own.map(keep).join('')}
          ${sums > 0 ? `var sum_${r} : array<vec4<f32>, ${sums}>;` : ''}
          ${before(r)}`;
      })}
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
          ${each(rows)}
        }
      }
      if (group / uniforms.blocks < uniforms.batch) {
        ${repeat(rows, (r) => `if (token_${r} < uniforms.tokens) { let row = row_${r}; ${after(r)} }`)}
      }`,
  });
}

/** WGSL: writes the sum of row r, times a factor, as its row of the result. */
const write = (r: number, columns: number, factor: string) =>
  eachQuad(Math.ceil(columns / 4), (i) =>
    repeat(4, (j) => {
      const column = `4 * ${i} + ${j}`;
      const isColumn = columns % 4 === 0 ? '' : `if (${column} < ${columns}) `;
      return `${isColumn}{ result[row * ${columns} + ${column}] = sum_${r}[${i}][${j}] * ${factor}; }`;
    }),
  );

/** WGSL: `weights_r`, those of four keys against the largest logit so far, which moves, and the sum of all of them. */
const softmaxStep = (rows: number, quads: number) => `
  ${dots(rows, 'products', 'q', 'k', quads)}
  ${repeat(
    rows,
    (r) => `
      let logits_${r} = select(vec4<f32>(-3e38), uniforms.scale * products_${r}, isOther);
      let pair_${r} = max(logits_${r}.xy, logits_${r}.zw);
      let larger_${r} = max(largest_${r}, max(pair_${r}.x, pair_${r}.y));
      let decay_${r} = exp(largest_${r} - larger_${r});
      let weights_${r} = exp(logits_${r} - larger_${r});
      total_${r} = total_${r} * decay_${r} + dot(weights_${r}, vec4<f32>(1.0));
      largest_${r} = larger_${r};`,
  )}`;
const softmaxStart = (r: number) => `var largest_${r} = -3e38; var total_${r} = 0.0;`;

/** {q `[N, heads, T, D]`, k `[N, heads, S, D]`, v `[N, heads, S, E]`} -> y `[N, heads, T, E]`, in one dispatch. */
export const attention: WebGPUKernel = {
  kernelName: ATTENTION_KERNEL,
  run: ({ inputs, backend }) => {
    const { q, k, v } = inputs as Readonly<Record<'q' | 'k' | 'v', TensorInfo>>;
    const [n, heads, t] = q.shape as [number, number, number];
    const e = quadsOf(v);
    return walk(backend, {
      key: 'forward',
      inputs: { q, k, v },
      outputShape: [n, heads, t, width(v)],
      own: ['q'],
      tiles: ['k', 'v'],
      sums: e,
      before: softmaxStart,
      each: (rows) => softmaxStep(rows, quadsOf(q)) + accumulate(rows, 'weights', 'v', e, (r) => ` * decay_${r}`),
      after: (r) => write(r, width(v), `(1.0 / total_${r})`),
    });
  },
};

/**
 * {q, k, v, y, dy} -> [dq, dk, dv], in four dispatches: the queries' statistics, then each gradient. dk and dv share
 * products, but what one thread would keep for both leaves it a single row, and each product twice the reading.
 */
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
      own: ['q'],
      tiles: ['k'],
      sums: 0,
      before: softmaxStart,
      each: (rows) => softmaxStep(rows, d),
      after: (r) => `
        var product = 0.0;
        for (var i = 0; i < ${e}; i = i + 1) { product = addDot(fetch_y(row, i), fetch_dy(row, i), product); }
        result[row * ${STATISTICS}] = largest_${r};
        result[row * ${STATISTICS} + 1] = 1.0 / total_${r};
        result[row * ${STATISTICS} + 2] = product;`,
    });
    // ds = p (dp - y . dy), p the weights, dp = dy . v
    const dq = walk(backend, {
      key: 'dq',
      inputs: { q, k, v, dy, stats },
      outputShape: q.shape,
      own: ['q', 'dy'],
      tiles: ['k', 'v'],
      sums: d,
      before: (r) => `
        let largest_${r} = stats[row_${r} * ${STATISTICS}];
        let share_${r} = stats[row_${r} * ${STATISTICS} + 1];
        let mean_${r} = stats[row_${r} * ${STATISTICS} + 2];`,
      each: (rows) => `
        ${dots(rows, 'products', 'q', 'k', d)}
        ${dots(rows, 'dWeights', 'dy', 'v', e)}
        ${repeat(
          rows,
          (r) => `
            let logits_${r} = select(vec4<f32>(-3e38), uniforms.scale * products_${r}, isOther);
            let ds_${r} = exp(logits_${r} - largest_${r}) * share_${r} * (dWeights_${r} - mean_${r});`,
        )}
        ${accumulate(rows, 'ds', 'k', d)}`,
      after: (r) => write(r, width(q), 'uniforms.scale'),
    });
    const tileStats = (which: number) =>
      `vec4<f32>(${repeat(4, (j) => `tile_stats[(c + ${j}) * ${STATISTICS} + ${which}]`, ', ')})`;
    // past the last query everything in the tile is 0, and so are the weights
    const weights = (rows: number) => `
      ${dots(rows, 'products', 'k', 'q', d)}
      let largest = ${tileStats(0)};
      let share = ${tileStats(1)};
      ${repeat(rows, (r) => `let weights_${r} = exp(uniforms.scale * products_${r} - largest) * share;`)}`;
    const dk = walk(backend, {
      key: 'dk',
      inputs: { q, k, v, dy, stats },
      outputShape: k.shape,
      own: ['k', 'v'],
      tiles: ['q', 'dy'],
      statistics: true,
      sums: d,
      before: () => '',
      each: (rows) => `
        ${weights(rows)}
        ${dots(rows, 'dWeights', 'v', 'dy', e)}
        let mean = ${tileStats(2)};
        ${repeat(rows, (r) => `let ds_${r} = weights_${r} * (dWeights_${r} - mean);`)}
        ${accumulate(rows, 'ds', 'q', d)}`,
      after: (r) => write(r, width(k), 'uniforms.scale'),
    });
    const dv = walk(backend, {
      key: 'dv',
      inputs: { q, k, dy, stats },
      outputShape: v.shape,
      own: ['k'],
      tiles: ['q', 'dy'],
      statistics: true,
      sums: e,
      before: () => '',
      each: (rows) => `${weights(rows)} ${accumulate(rows, 'weights', 'dy', e)}`,
      after: (r) => write(r, width(v), '1.0'),
    });
    backend.disposeData(stats.dataId);
    return [dq, dk, dv];
  },
};
