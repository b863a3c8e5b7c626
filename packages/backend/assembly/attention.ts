// Scaled dot-product attention, softmax(q k^T scale) v, over blocks of queries: what is as long as queries times keys is
// never whole in memory. q is [N][heads][T][D], k [N][heads][S][D], v [N][heads][S][E], y [N][heads][T][E], in any order: of each,
// xRow, xHead and xImage are the distances of neighboring tokens, heads and images in bytes.
import { expLanes, expNegativeLanes } from './functions';
import { gemm, KC, multiplyPanels, packA, packB, TILE } from './gemm';
import { loadLanes, storeLanes } from './lanes';

/** Queries at a time. */
const QUERIES: i32 = 128;

/** Bytes from one query's logits to the next's: never a multiple of a page, by which they would share few lines of the cache. */
function strideOf(keys: i32): usize {
  return (<usize>((keys + 15) & ~15) + 16) << 2;
}

/** In place: row = exp((row - max row) * scale) of `size` floats. @returns their sum */
function expRow(row: usize, size: i32, scale: f32): f32 {
  let widest = f32x4.splat(f32.NEGATIVE_INFINITY);
  let at = row;
  let rest = size;
  for (; rest >= 4; rest -= 4, at += 16) widest = f32x4.max(widest, v128.load(at));
  let largest = f32x4.extract_lane(widest, 0);
  largest = max(largest, f32x4.extract_lane(widest, 1));
  largest = max(largest, max(f32x4.extract_lane(widest, 2), f32x4.extract_lane(widest, 3)));
  for (; rest > 0; rest--, at += 4) largest = max(largest, load<f32>(at));
  const factor = f32x4.splat(scale);
  const top = f32x4.splat(largest);
  let sum = f32x4.splat(0);
  at = row;
  for (rest = size; rest >= 4; rest -= 4, at += 16) {
    const weights = expLanes(f32x4.mul(f32x4.sub(v128.load(at), top), factor));
    sum = f32x4.add(sum, weights);
    v128.store(at, weights);
  }
  let total = f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1);
  total += f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3);
  if (rest > 0) {
    const weights = expLanes(f32x4.mul(f32x4.sub(loadLanes(at, rest), top), factor));
    storeLanes(at, weights, rest);
    for (; rest > 0; rest--, at += 4) total += load<f32>(at);
  }
  return total;
}

/** row *= factor */
function scaleRow(row: usize, size: i32, factor: f32): void {
  const lanes = f32x4.splat(factor);
  for (; size >= 4; size -= 4, row += 16) v128.store(row, f32x4.mul(v128.load(row), lanes));
  if (size > 0) storeLanes(row, f32x4.mul(loadLanes(row, size), lanes), size);
}

/** sum of a[i] b[i] */
function dot(a: usize, b: usize, size: i32): f32 {
  let sum = f32x4.splat(0);
  for (; size >= 4; size -= 4, a += 16, b += 16) sum = f32x4.add(sum, f32x4.mul(v128.load(a), v128.load(b)));
  if (size > 0) sum = f32x4.add(sum, f32x4.mul(loadLanes(a, size), loadLanes(b, size)));
  return (
    f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1) + (f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3))
  );
}

/** gradients[i] = weights[i] (gradients[i] - mean) scale */
function softmaxGradientRow(gradients: usize, weights: usize, size: i32, mean: f32, scale: f32): void {
  const means = f32x4.splat(mean);
  const factor = f32x4.splat(scale);
  for (; size > 0; size -= 4, gradients += 16, weights += 16) {
    const p = f32x4.mul(loadLanes(weights, size), factor);
    storeLanes(gradients, f32x4.mul(p, f32x4.sub(loadLanes(gradients, size), means)), size);
  }
}

/**
 * In place, of each column: exp((x - max x) * scale); of `keys` rows of eight floats. The columns' sums go to `sums`.
 * Columns stand side by side in the lanes, so that nothing is done across lanes.
 */
function expColumns(columns: usize, keys: i32, scale: f32, sums: usize): void {
  let top0 = f32x4.splat(f32.NEGATIVE_INFINITY);
  let top1 = top0;
  let at = columns;
  for (let i = 0; i < keys; i++, at += 32) {
    top0 = f32x4.max(top0, v128.load(at));
    top1 = f32x4.max(top1, v128.load(at, 16));
  }
  const factor = f32x4.splat(scale);
  let total0 = f32x4.splat(0);
  let total1 = f32x4.splat(0);
  at = columns;
  // Sums of KC rows are added up before they join the others'.
  for (let i = 0; i < keys; i += KC) {
    let sum0 = f32x4.splat(0);
    let sum1 = f32x4.splat(0);
    for (let rows = min(KC, keys - i); rows > 0; rows--, at += 32) {
      const e0 = expNegativeLanes(f32x4.mul(f32x4.sub(v128.load(at), top0), factor));
      const e1 = expNegativeLanes(f32x4.mul(f32x4.sub(v128.load(at, 16), top1), factor));
      sum0 = f32x4.add(sum0, e0);
      sum1 = f32x4.add(sum1, e1);
      v128.store(at, e0);
      v128.store(at, e1, 16);
    }
    total0 = f32x4.add(total0, sum0);
    total1 = f32x4.add(total1, sum1);
  }
  v128.store(sums, total0);
  v128.store(sums, total1, 16);
}

/**
 * y for the blocks `from` to `to` of QUERIES queries, counted through heads and images: threads share the work by these.
 * Eight queries at a time, whose logits k q^T `[S, 8]` stay in the fastest cache and are what the second product reads.
 * @param room S * (D + E + 15) + 11 * D + 8 floats: sums, queries, logits, keys in fours, values in eights
 * @param scratch as for gemm
 */
export function attention(
  y: usize,
  q: usize,
  k: usize,
  v: usize,
  heads: i32,
  queries: i32,
  keys: i32,
  depth: i32,
  width: i32,
  scale: f32,
  yRow: usize,
  yHead: usize,
  yImage: usize,
  qRow: usize,
  qHead: usize,
  qImage: usize,
  kRow: usize,
  kHead: usize,
  kImage: usize,
  vRow: usize,
  vHead: usize,
  vImage: usize,
  from: i32,
  to: i32,
  room: usize,
  scratch: usize,
): void {
  const blocks = (queries + QUERIES - 1) / QUERIES;
  const keyPanel = (<usize>depth) << 4;
  const valuePanel = (<usize>keys) << 5;
  const sums = room;
  const eight = sums + 32;
  const logits = eight + 2 * keyPanel;
  const fours = logits + valuePanel;
  const values = fours + <usize>((keys + 3) >> 2) * keyPanel;
  const tile = scratch + TILE;
  for (let block = from; block < to; block++) {
    const image = <usize>(block / blocks / heads);
    const head = <usize>((block / blocks) % heads);
    const first = (block % blocks) * QUERIES;
    const last = min(first + QUERIES, queries);
    if (block === from || first === 0) {
      packA(fours, k + image * kImage + head * kHead, kRow, 4, keys, depth);
      packB(values, v + image * vImage + head * vHead, 4, vRow, width, keys);
    }
    for (let query = first; query < last; query += 8) {
      const rows = min(8, last - query);
      packB(eight, q + image * qImage + head * qHead + <usize>query * qRow, qRow, 4, rows, depth);
      multiplyPanels(depth, keys, 8, fours, 16, keyPanel, eight, 32, 0, logits, 32, 4, true, tile);
      expColumns(logits, keys, scale, sums);
      const yAt = y + image * yImage + head * yHead + <usize>query * yRow;
      for (let p = 0; p < keys; p += KC) {
        const offset = (<usize>p) << 5;
        multiplyPanels(
          min(KC, keys - p),
          rows,
          width,
          logits + offset,
          32,
          16,
          values + offset,
          32,
          valuePanel,
          yAt,
          yRow,
          4,
          p === 0,
          tile,
        );
      }
      for (let i: usize = 0; i < <usize>rows; i++) scaleRow(yAt + i * yRow, width, 1 / load<f32>(sums + (i << 2)));
    }
  }
}

/**
 * With P = softmax(q k^T scale) and dS = P (dy v^T - rowsum(dy y)) scale: dq = dS k, dk = dS^T q, dv = P^T dy, for the heads
 * `from` to `to`, counted through the images. Gradients lie as what they are the gradients of, dy as y.
 * @param room 2 * QUERIES * (S + 31) floats. @param scratch as for gemm
 */
export function attentionGradient(
  dq: usize,
  dk: usize,
  dv: usize,
  q: usize,
  k: usize,
  v: usize,
  y: usize,
  dy: usize,
  heads: i32,
  queries: i32,
  keys: i32,
  depth: i32,
  width: i32,
  scale: f32,
  yRow: usize,
  yHead: usize,
  yImage: usize,
  qRow: usize,
  qHead: usize,
  qImage: usize,
  kRow: usize,
  kHead: usize,
  kImage: usize,
  vRow: usize,
  vHead: usize,
  vImage: usize,
  from: i32,
  to: i32,
  room: usize,
  scratch: usize,
): void {
  const long = strideOf(keys);
  const weights = room;
  const slopes = room + <usize>QUERIES * long;
  for (let task = from; task < to; task++) {
    const image = <usize>(task / heads);
    const head = <usize>(task % heads);
    const kOffset = image * kImage + head * kHead;
    const vOffset = image * vImage + head * vHead;
    for (let first = 0; first < queries; first += QUERIES) {
      const rows = min(QUERIES, queries - first);
      const qOffset = image * qImage + head * qHead + <usize>first * qRow;
      const yOffset = image * yImage + head * yHead + <usize>first * yRow;
      const qAt = q + qOffset;
      const dyAt = dy + yOffset;
      gemm(1, rows, keys, depth, qAt, 0, qRow, 4, k + kOffset, 0, 4, kRow, weights, 0, long, 4, false, scratch);
      gemm(1, rows, keys, width, dyAt, 0, yRow, 4, v + vOffset, 0, 4, vRow, slopes, 0, long, 4, false, scratch);
      for (let i: usize = 0; i < <usize>rows; i++) {
        const p = weights + i * long;
        scaleRow(p, keys, 1 / expRow(p, keys, scale));
        const mean = dot(dyAt + i * yRow, y + yOffset + i * yRow, width);
        softmaxGradientRow(slopes + i * long, p, keys, mean, scale);
      }
      gemm(1, rows, depth, keys, slopes, 0, long, 4, k + kOffset, 0, kRow, 4, dq + qOffset, 0, qRow, 4, false, scratch);
      const later = first > 0;
      gemm(1, keys, depth, rows, slopes, 0, 4, long, qAt, 0, qRow, 4, dk + kOffset, 0, kRow, 4, later, scratch);
      gemm(1, keys, width, rows, weights, 0, 4, long, dyAt, 0, yRow, 4, dv + vOffset, 0, vRow, 4, later, scratch);
    }
  }
}
