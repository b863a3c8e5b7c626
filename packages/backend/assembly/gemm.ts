// C = A B for float32, after Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008):
// blocks of B (KC x NC) and A (MC x KC) are copied into panels that the 4 x 8 kernel reads in order, so that transposed
// operands cost no more than plain ones. Each block of KC products is summed on its own and then added to C, which also
// keeps the rounding of long sums small. Strides and addresses are in bytes.

import { loadLanes } from './lanes';

/** Products per block; the scratch memory below is sized for these. */
export const KC: i32 = 256;
export const MC: i32 = 64;
export const NC: i32 = 256;

export const A_PANELS: usize = 0;
export const B_PANELS: usize = 65536; // KC * MC * 4
export const TILE: usize = 327680; // + KC * NC * 4
export const TABLE: usize = 327808; // + 4 * 8 * 4; for the callers' own tables

/**
 * Adds (or with `first` stores) a 4 x 8 tile: c[i][j] += sum_p a[p][i] * b[p][j].
 * `a` holds 4 and `b` 8 neighboring floats per step p, steps are aStep and bStep bytes apart.
 */
function kernel4x8(k: i32, a: usize, aStep: usize, b: usize, bStep: usize, c: usize, cRow: usize, first: bool): void {
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  for (; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let s = v128.load_splat<f32>(a);
    c00 = f32x4.add(c00, f32x4.mul(s, b0));
    c01 = f32x4.add(c01, f32x4.mul(s, b1));
    s = v128.load_splat<f32>(a, 4);
    c10 = f32x4.add(c10, f32x4.mul(s, b0));
    c11 = f32x4.add(c11, f32x4.mul(s, b1));
    s = v128.load_splat<f32>(a, 8);
    c20 = f32x4.add(c20, f32x4.mul(s, b0));
    c21 = f32x4.add(c21, f32x4.mul(s, b1));
    s = v128.load_splat<f32>(a, 12);
    c30 = f32x4.add(c30, f32x4.mul(s, b0));
    c31 = f32x4.add(c31, f32x4.mul(s, b1));
    a += aStep;
    b += bStep;
  }
  if (!first) {
    c00 = f32x4.add(c00, v128.load(c));
    c01 = f32x4.add(c01, v128.load(c, 16));
    c10 = f32x4.add(c10, v128.load(c + cRow));
    c11 = f32x4.add(c11, v128.load(c + cRow, 16));
    c20 = f32x4.add(c20, v128.load(c + 2 * cRow));
    c21 = f32x4.add(c21, v128.load(c + 2 * cRow, 16));
    c30 = f32x4.add(c30, v128.load(c + 3 * cRow));
    c31 = f32x4.add(c31, v128.load(c + 3 * cRow, 16));
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  v128.store(c + cRow, c10);
  v128.store(c + cRow, c11, 16);
  v128.store(c + 2 * cRow, c20);
  v128.store(c + 2 * cRow, c21, 16);
  v128.store(c + 3 * cRow, c30);
  v128.store(c + 3 * cRow, c31, 16);
}

/** A tile of which only `rows` x `cols` exist, or whose columns are not neighbors: through the scratch tile. */
function edgeTile(
  k: i32,
  a: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  c: usize,
  cRow: usize,
  cCol: usize,
  rows: i32,
  cols: i32,
  first: bool,
  tile: usize,
): void {
  kernel4x8(k, a, aStep, b, bStep, tile, 32, true);
  for (let i = 0; i < rows; i++) {
    const from = tile + ((<usize>i) << 5);
    const to = c + <usize>i * cRow;
    for (let j = 0; j < cols; j++) {
      const at = to + <usize>j * cCol;
      const value = load<f32>(from + ((<usize>j) << 2));
      store<f32>(at, first ? value : load<f32>(at) + value);
    }
  }
}

/** Multiplies packed panels: every tile of an `m` x `n` block of C. */
export function multiplyPanels(
  k: i32,
  m: i32,
  n: i32,
  a: usize,
  aStep: usize,
  aPanel: usize,
  b: usize,
  bStep: usize,
  bPanel: usize,
  c: usize,
  cRow: usize,
  cCol: usize,
  first: bool,
  tile: usize,
): void {
  for (let j = 0; j < n; j += 8) {
    let pa = a;
    for (let i = 0; i < m; i += 4) {
      const pc = c + <usize>i * cRow + <usize>j * cCol;
      if (i + 4 <= m && j + 8 <= n && cCol === 4) kernel4x8(k, pa, aStep, b, bStep, pc, cRow, first);
      else edgeTile(k, pa, aStep, b, bStep, pc, cRow, cCol, min(4, m - i), min(8, n - j), first, tile);
      pa += aPanel;
    }
    b += bPanel;
  }
}

/**
 * Copies `k` steps of up to four lanes into dst[p * dstStep + lane]: one half or the whole of a panel.
 * Lanes are `lane` bytes apart in the source, steps `step` bytes. Missing lanes get any finite source values.
 */
function packLanes(dst: usize, dstStep: usize, src: usize, lane: usize, step: usize, lanes: i32, k: i32): void {
  if (lanes <= 0) {
    for (let p = 0; p < k; p++, dst += dstStep) v128.store(dst, f32x4.splat(0));
    return;
  }
  if (lane === 4) {
    if (lanes >= 4) for (let p = 0; p < k; p++, dst += dstStep, src += step) v128.store(dst, v128.load(src));
    else for (let p = 0; p < k; p++, dst += dstStep, src += step) v128.store(dst, loadLanes(src, lanes));
    return;
  }
  let r0 = src;
  let r1 = lanes > 1 ? src + lane : src;
  let r2 = lanes > 2 ? src + 2 * lane : src;
  let r3 = lanes > 3 ? src + 3 * lane : src;
  if (step === 4) {
    for (; k >= 4; k -= 4) {
      const v0 = v128.load(r0);
      const v1 = v128.load(r1);
      const v2 = v128.load(r2);
      const v3 = v128.load(r3);
      const t0 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5);
      const t1 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
      const t2 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5);
      const t3 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
      v128.store(dst, v128.shuffle<f32>(t0, t2, 0, 1, 4, 5));
      v128.store(dst + dstStep, v128.shuffle<f32>(t0, t2, 2, 3, 6, 7));
      v128.store(dst + 2 * dstStep, v128.shuffle<f32>(t1, t3, 0, 1, 4, 5));
      v128.store(dst + 3 * dstStep, v128.shuffle<f32>(t1, t3, 2, 3, 6, 7));
      dst += 4 * dstStep;
      r0 += 16;
      r1 += 16;
      r2 += 16;
      r3 += 16;
    }
  }
  for (; k > 0; k--) {
    store<f32>(dst, load<f32>(r0));
    store<f32>(dst, load<f32>(r1), 4);
    store<f32>(dst, load<f32>(r2), 8);
    store<f32>(dst, load<f32>(r3), 12);
    dst += dstStep;
    r0 += step;
    r1 += step;
    r2 += step;
    r3 += step;
  }
}

/** Panels of 4 lanes: `lanes` rows of A, `k` steps each. */
export function packA(dst: usize, src: usize, lane: usize, step: usize, lanes: i32, k: i32): void {
  for (let i = 0; i < lanes; i += 4) {
    packLanes(dst, 16, src, lane, step, lanes - i, k);
    dst += (<usize>k) << 4;
    src += 4 * lane;
  }
}

/** Panels of 8 lanes, `panel` bytes apart: `lanes` columns of B, `k` steps each. */
export function packSegment(dst: usize, panel: usize, src: usize, lane: usize, step: usize, lanes: i32, k: i32): void {
  for (let j = 0; j < lanes; j += 8) {
    if (lane === 4 && j + 8 <= lanes) {
      let to = dst;
      let from = src;
      for (let p = 0; p < k; p++) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
        to += 32;
        from += step;
      }
    } else {
      packLanes(dst, 32, src, lane, step, lanes - j, k);
      packLanes(dst + 16, 32, src + 4 * lane, lane, step, lanes - j - 4, k);
    }
    dst += panel;
    src += 8 * lane;
  }
}

/** Panels of 8 lanes, one behind the other. */
export function packB(dst: usize, src: usize, lane: usize, step: usize, lanes: i32, k: i32): void {
  packSegment(dst, (<usize>k) << 5, src, lane, step, lanes, k);
}

/**
 * `batch` products C = A B of `m` x `k` by `k` x `n`, with any strides: a transposed matrix is one whose row and column
 * strides are swapped, a matrix used again has the batch stride 0. With `accumulate` the products are added to C.
 * @param scratch 330 KiB, 16-byte aligned
 */
export function gemm(
  batch: i32,
  m: i32,
  n: i32,
  k: i32,
  a: usize,
  aBatch: usize,
  aRow: usize,
  aCol: usize,
  b: usize,
  bBatch: usize,
  bRow: usize,
  bCol: usize,
  c: usize,
  cBatch: usize,
  cRow: usize,
  cCol: usize,
  accumulate: bool,
  scratch: usize,
): void {
  const tile = scratch + TILE;
  // Few rows use each column of B too seldom to pay for copying it, if the kernel can read it where it is.
  const packsB = m > 8 || bCol !== 4;
  for (; batch > 0; batch--) {
    for (let j = 0; j < n; j += NC) {
      const columns = min(NC, n - j);
      for (let p = 0; p < k; p += KC) {
        const depth = min(KC, k - p);
        const first = p === 0 && !accumulate;
        const bBlock = b + <usize>p * bRow + <usize>j * bCol;
        const whole = packsB ? 0 : columns & ~7;
        packB(scratch + B_PANELS, bBlock + <usize>whole * bCol, bCol, bRow, columns - whole, depth);
        for (let i = 0; i < m; i += MC) {
          const rows = min(MC, m - i);
          packA(scratch + A_PANELS, a + <usize>i * aRow + <usize>p * aCol, aRow, aCol, rows, depth);
          const cBlock = c + <usize>i * cRow + <usize>j * cCol;
          const aPanel = (<usize>depth) << 4;
          if (whole > 0)
            multiplyPanels(
              depth,
              rows,
              whole,
              scratch + A_PANELS,
              16,
              aPanel,
              bBlock,
              bRow,
              32,
              cBlock,
              cRow,
              cCol,
              first,
              tile,
            );
          if (whole < columns)
            multiplyPanels(
              depth,
              rows,
              columns - whole,
              scratch + A_PANELS,
              16,
              aPanel,
              scratch + B_PANELS,
              32,
              (<usize>depth) << 5,
              cBlock + <usize>whole * cCol,
              cRow,
              cCol,
              first,
              tile,
            );
        }
      }
    }
    a += aBatch;
    b += bBatch;
    c += cBatch;
  }
}
