// Copies of 4-byte elements between strided views: transposes, slices, concatenations, tiles and reversals are all this.
// A view's dimensions stand in memory, outermost first, as triples of i32: size, source stride, target stride (bytes).

const TRIPLE: usize = 12;

function copyRow(dst: usize, src: usize, size: i32, srcStep: isize, dstStep: isize): void {
  if (dstStep === 4 && srcStep === 4) {
    if (size > 64) {
      memory.copy(dst, src, (<usize>size) << 2);
      return;
    }
    for (; size >= 4; size -= 4, dst += 16, src += 16) v128.store(dst, v128.load(src));
    for (; size > 0; size--, dst += 4, src += 4) store<u32>(dst, load<u32>(src));
    return;
  }
  if (dstStep === 4 && srcStep === 0) {
    const value = v128.load_splat<u32>(src);
    for (; size >= 4; size -= 4, dst += 16) v128.store(dst, value);
    for (; size > 0; size--, dst += 4) store<u32>(dst, load<u32>(src));
    return;
  }
  for (; size > 0; size--) {
    store<u32>(dst, load<u32>(src));
    dst += dstStep;
    src += srcStep;
  }
}

/** target[i * dstRow + j * 4] = source[i * 4 + j * srcRow] for i < rows, j < columns. */
function transposeBlock(dst: usize, src: usize, rows: i32, columns: i32, srcRow: isize, dstRow: isize): void {
  let j = 0;
  for (; j + 4 <= columns; j += 4) {
    const from = src + <isize>j * srcRow;
    const to = dst + ((<usize>j) << 2);
    let i = 0;
    for (; i + 4 <= rows; i += 4) {
      const s = from + ((<usize>i) << 2);
      const d = to + <isize>i * dstRow;
      const v0 = v128.load(s);
      const v1 = v128.load(s + srcRow);
      const v2 = v128.load(s + 2 * srcRow);
      const v3 = v128.load(s + 3 * srcRow);
      const t0 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5);
      const t1 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
      const t2 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5);
      const t3 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
      v128.store(d, v128.shuffle<f32>(t0, t2, 0, 1, 4, 5));
      v128.store(d + dstRow, v128.shuffle<f32>(t0, t2, 2, 3, 6, 7));
      v128.store(d + 2 * dstRow, v128.shuffle<f32>(t1, t3, 0, 1, 4, 5));
      v128.store(d + 3 * dstRow, v128.shuffle<f32>(t1, t3, 2, 3, 6, 7));
    }
    for (; i < rows; i++) copyRow(to + <isize>i * dstRow, from + ((<usize>i) << 2), 4, srcRow, 4);
  }
  for (; j < columns; j++) copyRow(dst + ((<usize>j) << 2), src + <isize>j * srcRow, rows, 4, dstRow);
}

/** The same in blocks of 16 x 16, a cache line wide on both sides. */
function transpose(dst: usize, src: usize, rows: i32, columns: i32, srcRow: isize, dstRow: isize): void {
  for (let i = 0; i < rows; i += 16) {
    for (let j = 0; j < columns; j += 16) {
      transposeBlock(
        dst + <isize>i * dstRow + ((<usize>j) << 2),
        src + <isize>j * srcRow + ((<usize>i) << 2),
        min(16, rows - i),
        min(16, columns - j),
        srcRow,
        dstRow,
      );
    }
  }
}

/** Copies the view of `rank` (at least 1) dimensions described at `table`. */
export function copyStrided(dst: usize, src: usize, rank: i32, table: usize): void {
  const size = load<i32>(table);
  const srcStep = <isize>load<i32>(table, 4);
  const dstStep = <isize>load<i32>(table, 8);
  if (rank === 1) {
    copyRow(dst, src, size, srcStep, dstStep);
    return;
  }
  if (rank === 2) {
    const columns = load<i32>(table, 12);
    const srcRow = <isize>load<i32>(table, 16);
    const dstColumn = load<i32>(table, 20);
    if (srcStep === 4 && dstColumn === 4 && srcRow !== 4 && srcRow !== 0) {
      transpose(dst, src, size, columns, srcRow, dstStep);
      return;
    }
    for (let i = 0; i < size; i++) {
      copyRow(dst, src, columns, srcRow, dstColumn);
      dst += dstStep;
      src += srcStep;
    }
    return;
  }
  for (let i = 0; i < size; i++) {
    copyStrided(dst, src, rank - 1, table + TRIPLE);
    dst += dstStep;
    src += srcStep;
  }
}

/** dst[i] = src[indices[i]], rows of `row` bytes. */
export function gatherRows(dst: usize, src: usize, indices: usize, count: i32, row: usize): void {
  for (let i = 0; i < count; i++) {
    copyRow(dst, src + <usize>load<i32>(indices) * row, <i32>(row >> 2), 4, 4);
    indices += 4;
    dst += row;
  }
}

/** dst[i] += src[i] over `size` floats. */
function addRow(dst: usize, src: usize, size: i32): void {
  for (; size >= 4; size -= 4, dst += 16, src += 16) v128.store(dst, f32x4.add(v128.load(dst), v128.load(src)));
  for (; size > 0; size--, dst += 4, src += 4) store<f32>(dst, load<f32>(dst) + load<f32>(src));
}

/** dst[segments[i]] += src[i], rows of `size` floats, from zero; rows of segments outside [0, segmentCount) are dropped. */
export function scatterAddRows(
  dst: usize,
  src: usize,
  segments: usize,
  count: i32,
  segmentCount: i32,
  size: i32,
): void {
  const row = (<usize>size) << 2;
  memory.fill(dst, 0, <usize>segmentCount * row);
  for (let i = 0; i < count; i++) {
    const segment = load<i32>(segments);
    if (segment >= 0 && segment < segmentCount) addRow(dst + <usize>segment * row, src, size);
    segments += 4;
    src += row;
  }
}

/** dst[n][i][j] = src[n][rowOf[i]][columnOf[j]], pixels of `channels` floats; the two tables follow each other. */
export function gatherPixels(
  dst: usize,
  src: usize,
  table: usize,
  batch: i32,
  srcHeight: i32,
  srcWidth: i32,
  dstHeight: i32,
  dstWidth: i32,
  channels: i32,
): void {
  const pixel = (<usize>channels) << 2;
  const columns = table + ((<usize>dstHeight) << 2);
  for (let n = 0; n < batch; n++) {
    for (let i = 0; i < dstHeight; i++) {
      const row = src + <usize>(n * srcHeight + load<i32>(table + ((<usize>i) << 2))) * <usize>srcWidth * pixel;
      gatherRows(dst, row, columns, dstWidth, pixel);
      dst += <usize>dstWidth * pixel;
    }
  }
}

/** dst[n][rowOf[i]][columnOf[j]] += src[n][i][j], from zero: the gradient of gatherPixels. */
export function scatterAddPixels(
  dst: usize,
  src: usize,
  table: usize,
  batch: i32,
  dstHeight: i32,
  dstWidth: i32,
  srcHeight: i32,
  srcWidth: i32,
  channels: i32,
): void {
  const pixel = (<usize>channels) << 2;
  const columns = table + ((<usize>srcHeight) << 2);
  memory.fill(dst, 0, <usize>(batch * dstHeight) * <usize>dstWidth * pixel);
  for (let n = 0; n < batch; n++) {
    for (let i = 0; i < srcHeight; i++) {
      const row = dst + <usize>(n * dstHeight + load<i32>(table + ((<usize>i) << 2))) * <usize>dstWidth * pixel;
      for (let j = 0; j < srcWidth; j++) {
        addRow(row + <usize>load<i32>(columns + ((<usize>j) << 2)) * pixel, src, channels);
        src += pixel;
      }
    }
  }
}
