// Sums, maxima and minima over the middle axis of [outer, size, inner], with inner = 1 apart. Sums are blocked: the rounding error of
// n terms grows with BLOCK + n / BLOCK instead of n.
import { loadLanes, storeLanes } from './lanes';

const BLOCK: i32 = 128;

function sumOfRow(src: usize, size: i32): f64 {
  let total: f64 = 0;
  while (size >= 16) {
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let s2 = f32x4.splat(0);
    let s3 = f32x4.splat(0);
    let steps = min(BLOCK, size >> 4);
    size -= steps << 4;
    for (; steps > 0; steps--) {
      s0 = f32x4.add(s0, v128.load(src));
      s1 = f32x4.add(s1, v128.load(src, 16));
      s2 = f32x4.add(s2, v128.load(src, 32));
      s3 = f32x4.add(s3, v128.load(src, 48));
      src += 64;
    }
    const s = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
    total += <f64>f32x4.extract_lane(s, 0) + <f64>f32x4.extract_lane(s, 1);
    total += <f64>f32x4.extract_lane(s, 2) + <f64>f32x4.extract_lane(s, 3);
  }
  for (; size > 0; size--, src += 4) total += <f64>load<f32>(src);
  return total;
}

/** dst[i] = scale * sum of row i. */
export function sumRows(dst: usize, src: usize, rows: i32, size: i32, scale: f32): void {
  const row = (<usize>size) << 2;
  for (let i = 0; i < rows; i++) {
    store<f32>(dst, <f32>(sumOfRow(src, size) * <f64>scale));
    dst += 4;
    src += row;
  }
}

/** dst[o][c] = scale * sum over i of src[o][i][c]. */
export function sumColumns(dst: usize, src: usize, outer: i32, size: i32, inner: i32, scale: f32): void {
  sumPartOfColumns(dst, src, outer, size, inner, (<usize>inner) << 2, scale);
}

/** The same of `inner` columns of rows that are `row` bytes apart, in the source and in the target. */
export function sumPartOfColumns(
  dst: usize,
  src: usize,
  outer: i32,
  size: i32,
  inner: i32,
  row: usize,
  scale: f32,
): void {
  const factor = f32x4.splat(scale);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < size || i === 0; i += BLOCK) {
      const rows = min(BLOCK, size - i);
      const last = i + BLOCK >= size;
      let c = 0;
      for (; c + 16 <= inner; c += 16) {
        const to = dst + ((<usize>c) << 2);
        let from = src + ((<usize>c) << 2);
        let s0 = f32x4.splat(0);
        let s1 = f32x4.splat(0);
        let s2 = f32x4.splat(0);
        let s3 = f32x4.splat(0);
        for (let r = rows; r > 0; r--) {
          s0 = f32x4.add(s0, v128.load(from));
          s1 = f32x4.add(s1, v128.load(from, 16));
          s2 = f32x4.add(s2, v128.load(from, 32));
          s3 = f32x4.add(s3, v128.load(from, 48));
          from += row;
        }
        if (i > 0) {
          s0 = f32x4.add(s0, v128.load(to));
          s1 = f32x4.add(s1, v128.load(to, 16));
          s2 = f32x4.add(s2, v128.load(to, 32));
          s3 = f32x4.add(s3, v128.load(to, 48));
        }
        if (last) {
          s0 = f32x4.mul(s0, factor);
          s1 = f32x4.mul(s1, factor);
          s2 = f32x4.mul(s2, factor);
          s3 = f32x4.mul(s3, factor);
        }
        v128.store(to, s0);
        v128.store(to, s1, 16);
        v128.store(to, s2, 32);
        v128.store(to, s3, 48);
      }
      for (; c < inner; c += 4) {
        const lanes = inner - c;
        const to = dst + ((<usize>c) << 2);
        let from = src + ((<usize>c) << 2);
        let s = f32x4.splat(0);
        if (lanes >= 4) for (let r = rows; r > 0; r--, from += row) s = f32x4.add(s, v128.load(from));
        else for (let r = rows; r > 0; r--, from += row) s = f32x4.add(s, loadLanes(from, lanes));
        if (i > 0) s = f32x4.add(s, loadLanes(to, lanes));
        if (last) s = f32x4.mul(s, factor);
        storeLanes(to, s, lanes);
      }
      src += <usize>max(rows, 0) * row;
    }
    dst += row;
  }
}

/** dst[o][c] = max (or with `least` min) over i of src[o][i][c], size at least 1; NaN wins. */
export function extremeColumns(dst: usize, src: usize, outer: i32, size: i32, inner: i32, least: bool): void {
  const row = (<usize>inner) << 2;
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < inner; c += 4) {
      const lanes = inner - c;
      let from = src + ((<usize>c) << 2);
      let best = loadLanes(from, lanes);
      for (let r = 1; r < size; r++) {
        from += row;
        const next = lanes >= 4 ? v128.load(from) : loadLanes(from, lanes);
        best = least ? f32x4.min(best, next) : f32x4.max(best, next);
      }
      storeLanes(dst + ((<usize>c) << 2), best, lanes);
    }
    src += <usize>size * row;
    dst += row;
  }
}

/** dst[i] = max (or with `least` min) of row i, size at least 1; NaN wins. */
export function extremeRows(dst: usize, src: usize, rows: i32, size: i32, least: bool): void {
  for (let i = 0; i < rows; i++) {
    let best: f32 = load<f32>(src);
    let rest = size;
    if (size >= 4) {
      let wide = v128.load(src);
      for (; rest >= 4; rest -= 4, src += 16)
        wide = least ? f32x4.min(wide, v128.load(src)) : f32x4.max(wide, v128.load(src));
      for (let lane = 0; lane < 4; lane++) {
        const value = f32x4.extract_lane(wide, 0);
        best = lane === 0 ? value : least ? min(best, value) : max(best, value);
        wide = v128.shuffle<f32>(wide, wide, 1, 2, 3, 0);
      }
    }
    for (; rest > 0; rest--, src += 4) best = least ? min(best, load<f32>(src)) : max(best, load<f32>(src));
    store<f32>(dst, best);
    dst += 4;
  }
}
