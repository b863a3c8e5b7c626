import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { allOf } from '../gemm/operands';
import { f32, i32, run } from '../program';
import type { Pairs, Result } from './attended';
import { baseOf, placeOf, type Rows, type RowsLayout, tensorsOf } from './rows';

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
export const STATISTICS = 3;

/**
 * Flash attention (Dao et al. 2022) in plain WGSL. A thread keeps some rows of q (or of k, where the result belongs to the
 * keys) and of the result in registers; the workgroup walks over the other tokens in tiles of workgroup memory, and no
 * T x S tensor is ever made. What is read of a tile serves all rows of a thread: reading is what limits it. Rows are
 * `vec4`s, filled up with zeros.
 *
 * A name stands for rows of one tensor: `own` rows are the thread's, `tiles` those that are walked over. What belongs to
 * the thread's row r ends in `_r`.
 */
export type Walk = {
  readonly key: string;
  readonly pairs: Pairs;
  readonly rows: Readonly<Record<string, Rows>>;
  readonly result: Result;
  readonly own: readonly string[];
  readonly tiles: readonly string[];
  /** What `statistics` gave for each query. */
  readonly statistics?: TensorInfo | undefined;
  /** Whether it lies beside the tiles, which are queries then. */
  readonly areTilesQueries?: boolean;
  /** Quads of the sum that is made for each row, `sum_r`. */
  readonly sums: number;
  /** WGSL before the walk for a row, for each four tile rows from `c` on, and after it for a row, `row`, that exists. */
  readonly before: (r: number) => string;
  readonly each: (rows: number) => string;
  readonly after: (r: number) => string;
};

export const quadsOf = ({ columns }: RowsLayout) => Math.ceil(columns / 4);
export const repeat = (count: number, line: (i: number) => string, separator = '\n') =>
  Array.from({ length: count }, (_, i) => line(i)).join(separator);

/** Rows that a thread takes, of so many quads each: as many as it can keep, if enough threads are left. */
const rowsPerThread = (rows: number, quads: number) =>
  [4, 2].find((each) => 4 * quads * each <= KEPT && rows / each >= FEWEST_THREADS) ?? 1;

/** WGSL: four numbers of a row, zeros past its end. */
function fetch(name: string, source: string, { columns }: RowsLayout): string {
  const value = (i: number) =>
    columns % 4 === 0
      ? `${source}[first + ${i}]`
      : `select(0.0, ${source}[first + ${i}], 4 * quad + ${i} < ${columns})`;
  return `
    fn fetch_${name}(row : i32, quad : i32) -> vec4<f32> {
      let first = base_${name} + row * uniforms.place_${name}.w + 4 * quad;
      return vec4<f32>(${repeat(4, value, ', ')});
    }`;
}

/** A dot product that continues another: `dot` would end in an addition of its own. */
const ADD_DOT = `
  fn addDot(a : vec4<f32>, b : vec4<f32>, sum : f32) -> f32 {
    return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
  }`;
/** WGSL: a body for each quad of a row. */
export const eachQuad = (quads: number, body: (i: number | 'i') => string) =>
  quads <= WRITTEN_OUT
    ? repeat(quads, (i) => `{ ${body(i)} }`)
    : `for (var i = 0; i < ${quads}; i = i + 1) { ${body('i')} }`;
/** WGSL: declares quad i of four tile rows, `other_0` to `other_3`. */
const others = (tile: string, quads: number, i: number | 'i') =>
  repeat(4, (j) => `let other_${j} = tile_${tile}[(c + ${j}) * ${quads} + ${i}];`);
/** WGSL: declares `products_r`, those of the thread's rows of `own` with four tile rows. */
export const dots = (rows: number, products: string, own: string, tile: string, quads: number) => `
  ${repeat(rows, (r) => `var ${products}_${r} = vec4<f32>(0.0);`)}
  ${eachQuad(quads, (i) => {
    const product = (r: number, j: number) => `addDot(own_${own}_${r}[${i}], other_${j}, ${products}_${r}[${j}])`;
    return `
      ${others(tile, quads, i)}
      ${repeat(rows, (r) => `${products}_${r} = vec4<f32>(${repeat(4, (j) => product(r, j), ', ')});`)}`;
  })}`;
/** WGSL: adds four tile rows to each sum, weighted by `weights_r`. */
export const accumulate = (rows: number, weights: string, tile: string, quads: number, decay = (_: number) => '') =>
  eachQuad(quads, (i) => {
    const sum = (r: number) =>
      [0, 1, 2, 3].reduce(
        (before, j) => `fma(vec4<f32>(${weights}_${r}[${j}]), other_${j}, ${before})`,
        `sum_${r}[${i}]${decay(r)}`,
      );
    return `${others(tile, quads, i)} ${repeat(rows, (r) => `sum_${r}[${i}] = ${sum(r)};`)}`;
  });

export function walk(backend: WebGPUBackend, options: Walk): TensorInfo {
  const { key, pairs, result, own, tiles, statistics, areTilesQueries = false, sums, before, each, after } = options;
  const named = (name: string) => options.rows[name] as Rows;
  const count = pairs.images * pairs.heads;
  const tokens = named(own[0] as string).count;
  const others = named(tiles[0] as string).count;
  const bytes = tiles.reduce((sum, name) => sum + 16 * quadsOf(named(name)), areTilesQueries ? 4 * STATISTICS : 0);
  const tile = 4 * Math.min(8, Math.floor(WORKGROUP_MEMORY / bytes / 4));
  const kept = own.reduce((sum, name) => sum + quadsOf(named(name)), sums);
  const rows = rowsPerThread(count * tokens, kept);
  const blocks = Math.ceil(tokens / (WORKGROUP * rows));
  const isWhole = others % tile === 0;
  const all = Object.entries(options.rows);
  const { inputs, sourceOf } = tensorsOf(options.rows);
  return run(backend, {
    key: `attention_${key}_${rows}${isWhole ? 'w' : ''}_${all.map(([, each]) => `${sourceOf(each)}${each.columns}`).join('_')}`,
    inputs: { ...inputs, ...(statistics && { stats: statistics }) },
    outputShape: result.shape,
    numbers: {
      pairs: i32(count),
      heads: i32(pairs.heads),
      tokens: i32(tokens),
      others: i32(others),
      blocks: i32(blocks),
      scale: f32(named('q' in options.rows ? 'q' : 'k').columns ** -0.5),
      ...Object.fromEntries(all.map(([name, each]) => [`place_${name}`, placeOf(each)])),
      place_result: placeOf(result.layout),
    },
    workgroups: count * blocks,
    workgroupSize: WORKGROUP,
    declarations: `
      ${ADD_DOT}
      ${all.map(([name, each]) => `var<private> base_${name} : i32; ${fetch(name, sourceOf(each), each)}`).join('')}
      ${tiles.map((name) => `var<workgroup> tile_${name} : array<vec4<f32>, ${tile * quadsOf(named(name))}>;`).join('\n')}
      ${areTilesQueries ? `var<workgroup> tile_stats : array<f32, ${tile * STATISTICS}>;` : ''}`,
    code: `
      let pair = min(group / uniforms.blocks, uniforms.pairs - 1);
      let firstToken = (group % uniforms.blocks) * ${WORKGROUP * rows} + lane;
      let firstOther = pair * uniforms.others;
      ${all.map(([name]) => `base_${name} = ${baseOf(name, 'pair')};`).join('\n')}
      let base_result = ${baseOf('result', 'pair')};
      ${repeat(rows, (r) => {
        const keep = (name: string) => {
          const quads = quadsOf(named(name));
          return `
            var own_${name}_${r} : array<vec4<f32>, ${quads}>;
            ${eachQuad(quads, (i) => `own_${name}_${r}[${i}] = fetch_${name}(token_${r}, ${i});`)}`;
        };
        return `
          let isToken_${r} = firstToken + ${WORKGROUP * r} < uniforms.tokens;
          let token_${r} = min(firstToken + ${WORKGROUP * r}, uniforms.tokens - 1);
          let row_${r} = pair * uniforms.tokens + token_${r};
          ${own.map(keep).join('')}
          ${sums > 0 ? `var sum_${r} : array<vec4<f32>, ${sums}>;` : ''}
          ${before(r)}`;
      })}
      for (var first = 0; first < uniforms.others; first = first + ${tile}) {
        workgroupBarrier();
        ${tiles
          .map((name) => {
            const quads = quadsOf(named(name));
            const isEven = (tile * quads) % WORKGROUP === 0;
            // Written out, so that a thread's reads are on their way together.
            return repeat(Math.ceil((tile * quads) / WORKGROUP), (load) => {
              const i = `(lane + ${load * WORKGROUP})`;
              const row = `first + ${i} / ${quads}`;
              const inside = allOf(!isWhole && `${row} < uniforms.others`, !isEven && `${i} < ${tile * quads}`);
              return `
                var values_${name}_${load} = vec4<f32>(0.0);
                ${inside === 'true' ? '' : `if (${inside}) `}{ values_${name}_${load} = fetch_${name}(${row}, ${i} % ${quads}); }`;
            });
          })
          .join('')}
        ${tiles
          .map((name) => {
            const quads = quadsOf(named(name));
            const isEven = (tile * quads) % WORKGROUP === 0;
            return repeat(Math.ceil((tile * quads) / WORKGROUP), (load) => {
              const i = `lane + ${load * WORKGROUP}`;
              return `${isEven ? '' : `if (${i} < ${tile * quads}) `}{ tile_${name}[${i}] = values_${name}_${load}; }`;
            });
          })
          .join('')}
        ${
          areTilesQueries
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
      if (group / uniforms.blocks < uniforms.pairs) {
        ${repeat(
          rows,
          (r) => `
            if (isToken_${r}) {
              let token = token_${r};
              let row = base_result + token * uniforms.place_result.w;
              ${after(r)}
            }`,
        )}
      }`,
  });
}

/** WGSL: writes the sum of row r, times a factor, as its row of the result. */
export const write = (r: number, columns: number, factor: string) =>
  eachQuad(Math.ceil(columns / 4), (i) =>
    repeat(4, (j) => {
      const column = `4 * ${i} + ${j}`;
      const isColumn = columns % 4 === 0 ? '' : `if (${column} < ${columns}) `;
      return `${isColumn}{ result[row + ${column}] = sum_${r}[${i}][${j}] * ${factor}; }`;
    }),
  );

/** WGSL: `weights_r`, those of four keys against the largest logit so far, which moves, and the sum of all of them. */
export const softmaxStep = (rows: number, quads: number) => `
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
export const softmaxStart = (r: number) => `var largest_${r} = -3e38; var total_${r} = 0.0;`;
