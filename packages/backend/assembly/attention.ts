// Scaled dot-product attention, softmax(q k^T scale) v, over blocks of queries: what is as long as queries times keys is
// never whole in memory. q is [N][heads][T][D], k [N][heads][S][D], v [N][heads][S][E], y [N][heads][T][E], in any order: of each,
// xRow, xHead and xImage are the distances of neighboring tokens, heads and images in bytes.
import { expLanes } from './functions';
import { gemm } from './gemm';
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
 * y for the blocks `from` to `to` of QUERIES queries, counted through heads and images: threads share the work by these.
 * @param logits room for QUERIES * (S + 31) floats. @param scratch as for gemm
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
  logits: usize,
  scratch: usize,
): void {
  const blocks = (queries + QUERIES - 1) / QUERIES;
  const long = strideOf(keys);
  for (let block = from; block < to; block++) {
    const image = <usize>(block / blocks / heads);
    const head = <usize>((block / blocks) % heads);
    const first = (block % blocks) * QUERIES;
    const rows = min(QUERIES, queries - first);
    const qAt = q + image * qImage + head * qHead + <usize>first * qRow;
    const kAt = k + image * kImage + head * kHead;
    const vAt = v + image * vImage + head * vHead;
    const yAt = y + image * yImage + head * yHead + <usize>first * yRow;
    gemm(1, rows, keys, depth, qAt, 0, qRow, 4, kAt, 0, 4, kRow, logits, 0, long, 4, false, scratch);
    // Each row's sum waits behind it, and divides the few results instead of the many weights.
    const sums = logits + long - 4;
    for (let at: usize = 0; at < <usize>rows * long; at += long)
      store<f32>(sums + at, expRow(logits + at, keys, scale));
    gemm(1, rows, width, keys, logits, 0, long, 4, vAt, 0, vRow, 4, yAt, 0, yRow, 4, false, scratch);
    for (let i: usize = 0; i < <usize>rows; i++) scaleRow(yAt + i * yRow, width, 1 / load<f32>(sums + i * long));
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
