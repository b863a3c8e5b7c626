// One level of the orthonormal Haar transform of NHWC tensors, the four bands of a pixel packed side by side: LL, LH, HL, HH.
import { loadLanes, storeLanes } from './lanes';

/** The four values of a block [p q; r s] of `size` channels, transformed; the matrix is its own inverse. */
function transform(
  p: usize,
  q: usize,
  r: usize,
  s: usize,
  toP: usize,
  toQ: usize,
  toR: usize,
  toS: usize,
  size: i32,
): void {
  const half = f32x4.splat(0.5);
  for (let at: usize = 0; size > 0; size -= 4, at += 16) {
    const a = loadLanes(p + at, size);
    const b = loadLanes(q + at, size);
    const c = loadLanes(r + at, size);
    const d = loadLanes(s + at, size);
    const top = f32x4.mul(f32x4.add(a, b), half);
    const bottom = f32x4.mul(f32x4.add(c, d), half);
    const topDifference = f32x4.mul(f32x4.sub(a, b), half);
    const bottomDifference = f32x4.mul(f32x4.sub(c, d), half);
    storeLanes(toP + at, f32x4.add(top, bottom), size);
    storeLanes(toQ + at, f32x4.sub(top, bottom), size);
    storeLanes(toR + at, f32x4.add(topDifference, bottomDifference), size);
    storeLanes(toS + at, f32x4.sub(topDifference, bottomDifference), size);
  }
}

/** x `[rows, 2, columns, 2, C]` -> `[rows, columns, 4C]`, rows counted over all images */
export function haarForward(dst: usize, x: usize, rows: i32, columns: i32, channels: i32): void {
  const c = (<usize>channels) << 2;
  const line = <usize>columns * 2 * c;
  for (let i = 0; i < rows; i++, x += line) {
    for (let j = 0; j < columns; j++) {
      transform(x, x + c, x + line, x + line + c, dst, dst + c, dst + 2 * c, dst + 3 * c, channels);
      x += 2 * c;
      dst += 4 * c;
    }
  }
}

/** `[rows, columns, 4C]` -> `[rows, 2, columns, 2, C]` */
export function haarInverse(dst: usize, x: usize, rows: i32, columns: i32, channels: i32): void {
  const c = (<usize>channels) << 2;
  const line = <usize>columns * 2 * c;
  for (let i = 0; i < rows; i++, dst += line) {
    for (let j = 0; j < columns; j++) {
      transform(x, x + c, x + 2 * c, x + 3 * c, dst, dst + c, dst + line, dst + line + c, channels);
      x += 4 * c;
      dst += 2 * c;
    }
  }
}
