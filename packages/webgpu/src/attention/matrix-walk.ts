import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { allowEnables } from '../gemm/enables';
import { PARTS } from '../gemm/magnitudes';
import { matrixUnits } from '../gemm/matrix-units';
import { FRAGMENT, SUBGROUP } from '../gemm/tile';
import { f32, i32, run } from '../program';
import type { Attended, Pairs } from './attended';
import { baseOf, isInFours, placeOf, type Rows, type RowsLayout, tensorsOf } from './rows';

/**
 * A subgroup owns 16 rows, of q or of k and v, as matrices in registers, and the workgroup walks over the other tokens in
 * tiles of halves in its memory. Products of a tile go through the workgroup's memory, where two threads take each row of
 * 16: they make weights of them, in float32, and lay them down as halves for the next product. Sums are float32 throughout.
 */
export type Shape = { readonly subgroups: number; readonly others: number };

/** Numbers that gradients need of each query: log2 of the sum of its logits' exponentials, and y . dy. */
export const STATISTICS = 2;

/** Tried in turn: the first that a workgroup's memory can hold. Tiles of 64 others leave too few workgroups a unit. */
const SHAPES: readonly Shape[] = [
  { subgroups: 4, others: 32 },
  { subgroups: 4, others: 16 },
  { subgroups: 2, others: 32 },
  { subgroups: 1, others: 16 },
];
/** Halves, or numbers, between rows in the workgroup's memory, which then begin in different banks. */
const ROW_PAD = 8;

const range = (count: number) => Array.from({ length: count }, (_, i) => i);
export const repeat = (count: number, line: (i: number) => string) => range(count).map(line).join('\n');
/** Rows filled up with zeros to whole matrices. */
export const filled = ({ columns }: RowsLayout) => FRAGMENT * Math.ceil(columns / FRAGMENT);
const fragments = (rows: RowsLayout) => filled(rows) / FRAGMENT;

/** Bytes of workgroup memory. */
function memoryOf({ subgroups, others }: Shape, { q, v }: Pick<Attended, 'q' | 'v'>): number {
  const units = matrixUnits.current;
  const half = units.half === 'f16' ? 2 : 4;
  const width = Math.max(others, filled(q), filled(v)) + ROW_PAD;
  const tiles = others * (filled(q) + filled(v) + 2 * ROW_PAD) * half + others * STATISTICS * 4;
  return tiles + subgroups * FRAGMENT * width * (half + 4) + units.memory(subgroups * SUBGROUP);
}

export const shapeFor = ({ limits }: Pick<GPUDevice, 'limits'>, attended: Attended) =>
  SHAPES.find((shape) => memoryOf(shape, attended) <= limits.maxComputeWorkgroupStorageSize);

export type Program = {
  readonly key: string;
  readonly pairs: Pairs;
  /** By name: q and k and so on. Those of `scaled` are multiplied by `dyScale`. */
  readonly rows: Readonly<Record<string, Rows>>;
  readonly own: readonly string[];
  readonly tiles: readonly string[];
  readonly statistics?: TensorInfo;
  /** Whether statistics lie beside the tiles, which are queries then. */
  readonly areTilesQueries?: boolean;
  /** The largest magnitudes of dy, by parts. */
  readonly magnitudes?: TensorInfo;
  readonly shape: Shape;
  readonly resultShape: readonly number[];
  readonly results: Readonly<Record<string, RowsLayout>>;
  readonly code: (kit: Kit) => { readonly before: string; readonly each: string; readonly after: string };
};

/** WGSL of the steps that programs are made of. */
export type Kit = {
  /** Fours that a thread holds of its row of products. */
  readonly fours: number;
  /** own x tile^T -> the thread's fours `NAME_0`, `NAME_1`, ... Ends after a barrier. */
  readonly products: (name: string, own: string, tile: string) => string;
  /** Lays down the thread's fours as halves. Ends after a barrier. */
  readonly layDown: (value: (i: number) => string) => string;
  /** Declares matrices of zeros, `NAME_0`, ... */
  readonly zeros: (name: string, rows: RowsLayout) => string;
  /** Adds what was laid down x tile to them. */
  readonly accumulate: (name: string, tile: string) => string;
  /** Such matrices -> the thread's fours of its row, `TARGET_0`, ... Ends after a barrier. */
  readonly take: (target: string, name: string, rows: RowsLayout) => string;
  /** Writes the thread's fours of a row of a result. */
  readonly write: (layout: string, value: (i: number) => string) => string;
  /** A condition for each of four columns from the i-th of the thread on: whether there is such a token. */
  readonly isOther: (i: number) => string;
  /** Of the token in each of these columns: a number of its statistics. */
  readonly statistic: (which: number, i: number) => string;
};

/** Runs a walk. @returns owned by the caller. */
export function matrixWalk(backend: WebGPUBackend, program: Program): TensorInfo {
  const { key, pairs, own, tiles, statistics, areTilesQueries = false, shape, results, resultShape } = program;
  const units = matrixUnits.current;
  const named = (name: string) => program.rows[name] as Rows;
  const count = pairs.images * pairs.heads;
  const tokens = named(own[0] as string).count;
  const others = named(tiles[0] as string).count;
  const threads = shape.subgroups * SUBGROUP;
  const block = shape.subgroups * FRAGMENT;
  const blocks = Math.ceil(tokens / block);
  const all = Object.entries(program.rows);
  const layouts = Object.values(results);
  const width = Math.max(shape.others, ...[...Object.values(program.rows), ...layouts].map(filled)) + ROW_PAD;
  const widthOf = (name: string) => filled(named(name)) + ROW_PAD;
  const isWhole = others % shape.others === 0;
  const hasScale = program.magnitudes !== undefined;

  const { inputs, sourceOf } = tensorsOf(program.rows);
  const inFours = new Set(Object.keys(inputs));
  for (const [, rows] of all) if (!isInFours(rows)) inFours.delete(sourceOf(rows));
  const writesFours = layouts.every(isInFours);

  const fetch = ([name, rows]: readonly [string, Rows]) => {
    const source = sourceOf(rows);
    const { columns } = rows;
    const one = (i: number) =>
      columns % FRAGMENT === 0
        ? `${source}[first + ${i}]`
        : `select(0.0, ${source}[min(first + ${i}, last)], 4 * quad + ${i} < ${columns})`;
    const four = inFours.has(source)
      ? columns % FRAGMENT === 0
        ? `${source}[first / 4]`
        : `select(vec4<f32>(), ${source}[min(first, last) / 4], 4 * quad < ${columns})`
      : `vec4<f32>(${range(4).map(one).join(', ')})`;
    return `
      var<private> base_${name} : i32;
      fn fetch_${name}(row : i32, quad : i32) -> vec4<f32> {
        let first = base_${name} + row * uniforms.place_${name}.w + 4 * quad;
        let last = base_${name} + row * uniforms.place_${name}.w + ${columns - 1};
        return ${four}${name === 'dy' && hasScale ? ' * dyScale' : ''};
      }`;
  };
  /**
   * Rows from `first` on into an array, as halves: a fetch of all that a thread brings, so that its reads are on their way
   * together, and a store.
   */
  const tileOf = (name: string, array: string, rows: number, stride: number, most: string | null) => {
    const quads = filled(named(name)) / 4;
    const loads = Math.ceil((rows * quads) / threads);
    const isEven = (rows * quads) % threads === 0;
    const at = (i: number) => `(lane + ${i * threads})`;
    return {
      declare: repeat(loads, (i) => `var ${array}_${name}_${i} : vec4<f32>;`),
      fetch: (first: string) =>
        repeat(loads, (i) => {
          const row = `${first} + ${at(i)} / ${quads}`;
          const four = `${array}_${name}_${i} = fetch_${name}(${row}, ${at(i)} % ${quads});`;
          return most === null ? four : `${array}_${name}_${i} = vec4<f32>(); if (${row} < ${most}) { ${four} }`;
        }),
      store: repeat(loads, (i) => {
        const place = `${at(i)} / ${quads} * ${stride / 4} + ${at(i)} % ${quads}`;
        const text = `${array}[${place}] = vec4<${units.half}>(${array}_${name}_${i});`;
        return isEven ? text : `if (${at(i)} < ${rows * quads}) { ${text} }`;
      }),
    };
  };
  const ownTile = (name: string) => tileOf(name, 'halves', block, widthOf(name), 'uniforms.tokens');
  const ownMatrices = (name: string) => `
    workgroupBarrier();
    ${ownTile(name).declare}
    ${ownTile(name).fetch('firstToken')}
    ${ownTile(name).store}
    workgroupBarrier();
    ${repeat(fragments(named(name)), (c) => {
      const at = `u32(ownRow * ${widthOf(name)} + ${c * FRAGMENT})`;
      const load = { side: 'left', array: 'halves', lanes: 4, at, stride: widthOf(name), order: 'row_major' } as const;
      return `let own_${name}_${c} = ${units.load(load)};`;
    })}`;
  const walked = tiles.map((name) =>
    tileOf(name, `tile_${name}`, shape.others, widthOf(name), isWhole ? null : 'uniforms.others'),
  );
  const tileMatrix = (name: string, row: number, column: number, order: 'row_major' | 'col_major') =>
    units.load({
      side: 'right',
      array: `tile_${name}`,
      lanes: 4,
      at: `${row * widthOf(name) + column}u`,
      stride: widthOf(name),
      order,
    });
  const fourAt = (i: number) => `(ownRow + rowInMatrix) * ${width} + 4 * side + ${8 * i}`;
  const readFours = (name: string, fours: number) =>
    repeat(fours, (i) => `let ${name}_${i} = scratch[(${fourAt(i)}) / 4];`);
  const store = (matrix: string, column: number) =>
    units.store({
      array: 'scratch',
      lanes: 4,
      at: `u32(ownRow * ${width} + ${column})`,
      matrix,
      stride: `${width}u`,
    });

  const kit: Kit = {
    fours: shape.others / 8,
    products: (name, ownName, tile) => `
      ${repeat(
        shape.others / FRAGMENT,
        (j) => `{
          var products = ${units.type('result')}();
          ${repeat(fragments(named(tile)), (c) => {
            const other = tileMatrix(tile, j * FRAGMENT, c * FRAGMENT, 'col_major');
            return `products = ${units.multiplyAdd(`own_${ownName}_${c}`, other, 'products')};`;
          })}
          ${store('products', j * FRAGMENT)} }`,
      )}
      workgroupBarrier();
      ${readFours(name, shape.others / 8)}`,
    layDown: (value) => `
      ${repeat(shape.others / 8, (i) => `halves[(${fourAt(i)}) / 4] = vec4<${units.half}>(${value(i)});`)}
      workgroupBarrier();`,
    zeros: (name, rows) => repeat(fragments(rows), (c) => `var ${name}_${c} = ${units.type('result')}();`),
    accumulate: (name, tile) =>
      repeat(shape.others / FRAGMENT, (j) => {
        const at = `u32(ownRow * ${width} + ${j * FRAGMENT})`;
        const load = { side: 'left', array: 'halves', lanes: 4, at, stride: width, order: 'row_major' } as const;
        return `{
          let weights = ${units.load(load)};
          ${repeat(fragments(named(tile)), (c) => {
            const other = tileMatrix(tile, j * FRAGMENT, c * FRAGMENT, 'row_major');
            return `${name}_${c} = ${units.multiplyAdd('weights', other, `${name}_${c}`)};`;
          })} }`;
      }),
    take: (target, name, rows) => `
      ${repeat(fragments(rows), (c) => store(`${name}_${c}`, c * FRAGMENT))}
      workgroupBarrier();
      ${readFours(target, filled(rows) / 8)}`,
    write: (name, value) => {
      const layout = results[name] as RowsLayout;
      return `if (group / uniforms.blocks < uniforms.pairs && token < uniforms.tokens) {
        let row = base_${name} + token * uniforms.place_${name}.w;
        ${repeat(filled(layout) / 8, (i) => {
          const column = `4 * side + ${8 * i}`;
          const isInside = layout.columns % 8 === 0 && 8 * i < layout.columns ? '' : `${column} < ${layout.columns}`;
          if (writesFours) {
            return `${isInside && `if (${isInside}) `}{ result[(row + ${column}) / 4] = ${value(i)}; }`;
          }
          const lane = (j: number) =>
            `if (${column} + ${j} < ${layout.columns}) { result[row + ${column} + ${j}] = (${value(i)})[${j}]; }`;
          return repeat(4, lane);
        })}
      }`;
    },
    isOther: (i) =>
      isWhole
        ? 'vec4<bool>(true)'
        : `(vec4<i32>(0, 1, 2, 3) + first + 4 * side + ${8 * i} < vec4<i32>(uniforms.others))`,
    statistic: (which, i) => `tile_stats[${(which * shape.others) / 4 + 2 * i} + side]`,
  };
  const { before, each, after } = program.code(kit);
  const half4 = `vec4<${units.half}>`;
  allowEnables(backend.device);
  return run(backend, {
    key: `matrix_attention_${key}_${shape.subgroups}x${shape.others}${isWhole ? 'w' : ''}_${all
      .map(([, rows]) => `${sourceOf(rows)}${rows.columns}`)
      .join('_')}`,
    inputs: {
      ...inputs,
      ...(statistics && { stats: statistics }),
      ...(program.magnitudes && { magnitudes: program.magnitudes }),
    },
    vectors: [...inFours, ...(writesFours ? ['result'] : [])],
    outputShape: resultShape,
    numbers: {
      pairs: i32(count),
      heads: i32(pairs.heads),
      tokens: i32(tokens),
      others: i32(others),
      blocks: i32(blocks),
      scale: f32(named('q').columns ** -0.5),
      // Logits are powers of two, which a GPU computes at once.
      log2Scale: f32(named('q').columns ** -0.5 * Math.LOG2E),
      ...Object.fromEntries(
        [...all, ...Object.entries(results)].map(([name, each]) => [`place_${name}`, placeOf(each)]),
      ),
    },
    workgroups: count * blocks,
    workgroupSize: threads,
    declarations: `
      ${units.declarations(threads, [
        ...tiles.map((name) => ({ name: `tile_${name}`, type: half4 })),
        { name: 'halves', type: half4 },
        { name: 'scratch', type: 'vec4<f32>' },
      ])}
      ${hasScale ? 'var<private> dyScale : f32;' : ''}
      ${all.map(fetch).join('')}
      ${tiles.map((name) => `var<workgroup> tile_${name} : array<${half4}, ${(shape.others * widthOf(name)) / 4}>;`).join('\n')}
      var<workgroup> halves : array<${half4}, ${(block * width) / 4}>;
      var<workgroup> scratch : array<vec4<f32>, ${(block * width) / 4}>;
      ${areTilesQueries ? `var<workgroup> tile_stats : array<vec4<f32>, ${(shape.others * STATISTICS) / 4}>;` : ''}`,
    code: `
      let pair = min(group / uniforms.blocks, uniforms.pairs - 1);
      let firstToken = (group % uniforms.blocks) * ${block};
      let ownRow = lane / ${SUBGROUP} * ${FRAGMENT};
      let rowInMatrix = lane % ${SUBGROUP} / 2;
      let side = lane % 2;
      let token = firstToken + ownRow + rowInMatrix;
      ${[...all.map(([name]) => name)].map((name) => `base_${name} = ${baseOf(name, 'pair')};`).join('\n')}
      ${Object.keys(results)
        .map((name) => `let base_${name} = ${baseOf(name, 'pair')};`)
        .join('\n')}
      ${
        hasScale
          ? `var peak = 0.0;
            for (var i = lane % ${SUBGROUP}; i < ${PARTS}; i = i + ${SUBGROUP}) { peak = max(peak, magnitudes[2 * i]); }
            peak = ${units.largest('peak')};
            let exponent = i32((bitcast<u32>(peak) >> 23u) & 255u) - 127;
            dyScale = select(exp2(f32(clamp(-exponent, -100, 100))), 1.0, peak == 0.0);`
          : ''
      }
      ${own.map(ownMatrices).join('')}
      ${before}
      ${walked.map(({ declare, fetch: fetchTile }) => `${declare} ${fetchTile('0')}`).join('\n')}
      for (var first = 0; first < uniforms.others; first = first + ${shape.others}) {
        workgroupBarrier();
        ${walked.map((tile) => tile.store).join('\n')}
        ${
          areTilesQueries
            ? `for (var i = lane; i < ${(shape.others * STATISTICS) / 4}; i = i + ${threads}) {
                let other = first + i % ${shape.others / 4} * 4;
                var four = vec4<f32>();
                for (var j = 0; j < 4; j = j + 1) {
                  if (other + j < uniforms.others) {
                    four[j] = stats[(pair * uniforms.others + other + j) * ${STATISTICS} + i / ${shape.others / 4}];
                  }
                }
                tile_stats[i] = four;
              }`
            : ''
        }
        workgroupBarrier();
        // What comes next is on its way while this is multiplied.
        if (first + ${shape.others} < uniforms.others) {
          let next = first + ${shape.others};
          ${walked.map((tile) => tile.fetch('next')).join('\n')}
        }
        ${each}
      }
      ${after}`,
  });
}
