import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { magnitudes } from '../gemm/magnitudes';
import { matrixUnits } from '../gemm/matrix-units';
import { FRAGMENT } from '../gemm/tile';
import { precisionOn } from '../precision';
import type { Attended, AttendedBack, Result } from './attended';
import { filled, type Kit, matrixWalk, repeat, type Shape, STATISTICS, shapeFor } from './matrix-walk';
import type { RowsLayout } from './rows';

// Flash attention (Dao et al. 2022) on matrix units. Weights are at most 1 and need no scaling. Gradients by y may be too
// small for halves: they are multiplied by a power of two that makes the largest one of [1, 2), and `DS_SCALE` keeps what
// is made of them away from the smallest halves.

/** Rows of more values than this leave too few registers. */
const MOST_COLUMNS = 96;
const DS_SCALE = 16;
const LARGEST_HALF = 65504;

/** Whether this is attention for matrix units: mixed precision, rows of a width and number that are worth it. */
export function suitsMatrixUnits(device: GPUDevice, attended: Attended): boolean {
  const { q, k, v } = attended;
  const isLarge = Math.min(q.count, k.count) >= FRAGMENT && Math.max(q.columns, v.columns) <= MOST_COLUMNS;
  return isLarge && precisionOn(device) === 'mixed' && shapeFor(device, attended) !== undefined;
}

const sumOfFour = (four: string) => `dot(${four}, vec4<f32>(1.0))`;
const largestOfFour = (four: string) => `max(max(${four}.x, ${four}.y), max(${four}.z, ${four}.w))`;

/** WGSL: weights of a tile against the largest logit so far, which moves; the row's two threads keep halves of the total. */
const softmaxStep = ({ fours, products, isOther }: Kit) => `
  ${products('product', 'q', 'k')}
  var larger = largest;
  ${repeat(
    fours,
    (i) => `
      let logits_${i} = select(vec4<f32>(-3e38), uniforms.log2Scale * product_${i}, ${isOther(i)});
      larger = max(larger, ${largestOfFour(`logits_${i}`)});`,
  )}
  larger = max(larger, ${matrixUnits.current.swap('larger')});
  let decay = exp2(largest - larger);
  total = total * decay;
  ${repeat(
    fours,
    (i) => `
      let weights_${i} = exp2(logits_${i} - larger);
      total = total + ${sumOfFour(`weights_${i}`)};`,
  )}
  largest = larger;`;
const softmaxStart = 'var largest = -3e38; var total = 0.0;';
const wholeTotal = () => `total = total + ${matrixUnits.current.swap('total')};`;

const shapeOf = (backend: WebGPUBackend, attended: Attended) => shapeFor(backend.device, attended) as Shape;

/** Attention, in one dispatch. */
export function matrixAttention(backend: WebGPUBackend, attended: Attended, result: Result): TensorInfo {
  const { pairs, q, k, v } = attended;
  const fours = filled(v) / 8;
  return matrixWalk(backend, {
    key: 'forward',
    pairs,
    rows: { q, k, v },
    own: ['q'],
    tiles: ['k', 'v'],
    shape: shapeOf(backend, attended),
    resultShape: result.shape,
    results: { y: result.layout },
    code: (kit) => ({
      before: `${softmaxStart} ${repeat(fours, (i) => `var sum_${i} = vec4<f32>();`)}`,
      // The sum of a tile is added outside of the units: rows of a matrix cannot be multiplied by factors of their own.
      each: `
        ${softmaxStep(kit)}
        ${kit.layDown((i) => `weights_${i}`)}
        ${kit.zeros('part', v)}
        ${kit.accumulate('part', 'v')}
        ${kit.take('values', 'part', v)}
        ${repeat(fours, (i) => `sum_${i} = fma(sum_${i}, vec4<f32>(decay), values_${i});`)}`,
      after: `
        ${wholeTotal()}
        ${kit.write('y', (i) => `sum_${i} / total`)}`,
    }),
  });
}

/** Where gradients are wanted: dk and dv in one tensor, or each in its own. */
export type GradientResults = { readonly dq: Result } & (
  | { readonly dk: Result; readonly dv: Result }
  | { readonly shape: readonly number[]; readonly dk: RowsLayout; readonly dv: RowsLayout }
);

/** Its gradients: the queries' statistics, dq, then dk and dv. */
export function matrixAttentionGradients(
  backend: WebGPUBackend,
  attended: AttendedBack,
  wanted: GradientResults,
): TensorInfo[] {
  const { pairs, q, k, v, y, dy } = attended;
  const shape = shapeOf(backend, attended);
  const common = { pairs, shape };
  const perQuery = { count: q.count, columns: STATISTICS, offset: 0, image: 0, head: 0, row: 0 };
  const peaks = magnitudes(backend, dy.tensor, dy.tensor, 'left');
  const statistics = matrixWalk(backend, {
    ...common,
    key: 'statistics',
    rows: { q, k, y, dy },
    own: ['q'],
    tiles: ['k'],
    resultShape: [pairs.images, pairs.heads, q.count, STATISTICS],
    results: { statistics: perQuery },
    code: (kit) => ({
      before: softmaxStart,
      each: softmaxStep(kit),
      after: `
        ${wholeTotal()}
        var product = 0.0;
        let row = min(token, uniforms.tokens - 1);
        for (var i = side; i < ${Math.ceil(v.columns / 4)}; i = i + 2) {
          product = product + dot(fetch_y(row, i), fetch_dy(row, i));
        }
        product = product + ${matrixUnits.current.swap('product')};
        if (side == 0 && group / uniforms.blocks < uniforms.pairs && token < uniforms.tokens) {
          let at = (pair * uniforms.tokens + token) * ${STATISTICS};
          result[at] = largest + log2(total);
          result[at + 1] = product;
        }`,
    }),
  });
  // ds = p (dp - y . dy), p the weights, dp = dy . v
  const ds = (weights: string, dWeights: string, mean: string) =>
    `clamp(${DS_SCALE}.0 * ${weights} * (${dWeights} - dyScale * ${mean}), vec4<f32>(-${LARGEST_HALF}.0), vec4<f32>(${LARGEST_HALF}.0))`;
  const unscaleDs = `uniforms.scale / (${DS_SCALE}.0 * dyScale)`;
  const withGradient = { ...common, statistics, magnitudes: peaks, rows: { q, k, v, dy } };
  const dq = matrixWalk(backend, {
    ...withGradient,
    key: 'dq',
    own: ['q', 'dy'],
    tiles: ['k', 'v'],
    resultShape: wanted.dq.shape,
    results: { dq: wanted.dq.layout },
    code: (kit) => ({
      before: `
        let ofRow = (pair * uniforms.tokens + min(token, uniforms.tokens - 1)) * ${STATISTICS};
        let logTotal = stats[ofRow];
        let mean = stats[ofRow + 1];
        ${kit.zeros('sum', q)}`,
      each: `
        ${kit.products('product', 'q', 'k')}
        ${repeat(
          kit.fours,
          (i) => `
            let logits_${i} = select(vec4<f32>(-3e38), uniforms.log2Scale * product_${i}, ${kit.isOther(i)});
            let weights_${i} = exp2(logits_${i} - logTotal);`,
        )}
        workgroupBarrier();
        ${kit.products('dWeights', 'dy', 'v')}
        ${kit.layDown((i) => ds(`weights_${i}`, `dWeights_${i}`, 'mean'))}
        ${kit.accumulate('sum', 'k')}`,
      after: `
        workgroupBarrier();
        ${kit.take('values', 'sum', q)}
        let factor = ${unscaleDs};
        ${kit.write('dq', (i) => `values_${i} * factor`)}`,
    }),
  });
  const keys = (resultShape: readonly number[], results: Readonly<Record<string, RowsLayout>>) =>
    matrixWalk(backend, {
      ...withGradient,
      key: Object.keys(results).join('_'),
      rows: { q, k, dy, ...(results.dk && { v }) },
      own: results.dk ? ['k', 'v'] : ['k'],
      tiles: ['q', 'dy'],
      areTilesQueries: true,
      resultShape,
      results,
      code: (kit) => ({
        before: `${results.dk ? kit.zeros('sumK', k) : ''} ${results.dv ? kit.zeros('sumV', v) : ''}`,
        // past the last query q and dy in the tile are 0, whatever the weights
        each: `
          ${kit.products('product', 'k', 'q')}
          ${repeat(
            kit.fours,
            (i) => `let weights_${i} = exp2(uniforms.log2Scale * product_${i} - ${kit.statistic(0, i)});`,
          )}
          ${results.dv ? `${kit.layDown((i) => `weights_${i}`)} ${kit.accumulate('sumV', 'dy')}` : ''}
          ${
            results.dk
              ? `workgroupBarrier();
                ${kit.products('dWeights', 'v', 'dy')}
                ${kit.layDown((i) => ds(`weights_${i}`, `dWeights_${i}`, kit.statistic(1, i)))}
                ${kit.accumulate('sumK', 'q')}`
              : ''
          }`,
        after: `
          ${
            results.dk
              ? `workgroupBarrier();
                ${kit.take('valuesK', 'sumK', k)}
                let factorK = ${unscaleDs};
                ${kit.write('dk', (i) => `valuesK_${i} * factorK`)}`
              : ''
          }
          ${
            results.dv
              ? `workgroupBarrier();
                ${kit.take('valuesV', 'sumV', v)}
                let factorV = 1.0 / dyScale;
                ${kit.write('dv', (i) => `valuesV_${i} * factorV`)}`
              : ''
          }`,
      }),
    });
  const rest =
    'shape' in wanted
      ? [keys(wanted.shape, { dk: wanted.dk, dv: wanted.dv })]
      : [keys(wanted.dk.shape, { dk: wanted.dk.layout }), keys(wanted.dv.shape, { dv: wanted.dv.layout })];
  for (const { dataId } of [statistics, peaks]) backend.disposeData(dataId);
  return [dq, ...rest];
}
