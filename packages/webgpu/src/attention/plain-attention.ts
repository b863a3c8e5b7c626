import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Attended, AttendedBack, Result } from './attended';
import { accumulate, dots, quadsOf, repeat, STATISTICS, softmaxStart, softmaxStep, walk, write } from './walk';

/** Attention in float32, in one dispatch. */
export function plainAttention(backend: WebGPUBackend, { pairs, q, k, v }: Attended, result: Result): TensorInfo {
  const e = quadsOf(v);
  return walk(backend, {
    key: 'forward',
    pairs,
    rows: { q, k, v },
    result,
    own: ['q'],
    tiles: ['k', 'v'],
    sums: e,
    before: softmaxStart,
    each: (rows) => softmaxStep(rows, quadsOf(q)) + accumulate(rows, 'weights', 'v', e, (r) => ` * decay_${r}`),
    after: (r) => write(r, v.columns, `(1.0 / total_${r})`),
  });
}

/**
 * Its gradients, in four dispatches: the queries' statistics, then each gradient. dk and dv share products, but what one
 * thread would keep for both leaves it a single row, and each product twice the reading.
 */
export function plainAttentionGradients(
  backend: WebGPUBackend,
  { pairs, q, k, v, y, dy }: AttendedBack,
  results: readonly [dq: Result, dk: Result, dv: Result],
): [TensorInfo, TensorInfo, TensorInfo] {
  const [d, e] = [quadsOf(q), quadsOf(v)];
  const perQuery = { count: q.count, columns: STATISTICS, offset: 0, image: 0, head: 0, row: 0 };
  const statistics = walk(backend, {
    key: 'statistics',
    pairs,
    rows: { q, k, y, dy },
    result: { shape: [pairs.images, pairs.heads, q.count, STATISTICS], layout: perQuery },
    own: ['q'],
    tiles: ['k'],
    sums: 0,
    before: softmaxStart,
    each: (rows) => softmaxStep(rows, d),
    after: (r) => `
      var product = 0.0;
      for (var i = 0; i < ${e}; i = i + 1) { product = addDot(fetch_y(token, i), fetch_dy(token, i), product); }
      result[row_${r} * ${STATISTICS}] = largest_${r};
      result[row_${r} * ${STATISTICS} + 1] = 1.0 / total_${r};
      result[row_${r} * ${STATISTICS} + 2] = product;`,
  });
  // ds = p (dp - y . dy), p the weights, dp = dy . v
  const dq = walk(backend, {
    key: 'dq',
    pairs,
    rows: { q, k, v, dy },
    statistics,
    result: results[0],
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
    after: (r) => write(r, q.columns, 'uniforms.scale'),
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
    pairs,
    rows: { q, k, v, dy },
    statistics,
    areTilesQueries: true,
    result: results[1],
    own: ['k', 'v'],
    tiles: ['q', 'dy'],
    sums: d,
    before: () => '',
    each: (rows) => `
      ${weights(rows)}
      ${dots(rows, 'dWeights', 'v', 'dy', e)}
      let mean = ${tileStats(2)};
      ${repeat(rows, (r) => `let ds_${r} = weights_${r} * (dWeights_${r} - mean);`)}
      ${accumulate(rows, 'ds', 'q', d)}`,
    after: (r) => write(r, k.columns, 'uniforms.scale'),
  });
  const dv = walk(backend, {
    key: 'dv',
    pairs,
    rows: { q, k, dy },
    statistics,
    areTilesQueries: true,
    result: results[2],
    own: ['k'],
    tiles: ['q', 'dy'],
    sums: e,
    before: () => '',
    each: (rows) => `${weights(rows)} ${accumulate(rows, 'weights', 'dy', e)}`,
    after: (r) => write(r, v.columns, '1.0'),
  });
  backend.disposeData(statistics.dataId);
  return [dq, dk, dv];
}
