// The filter gradient of a convolution as C = A^T B without an im2col matrix in memory: the columns of A (one per tap
// and input channel) are gathered panel by panel from x, B is dy itself. NHWC and HWIO.
import { A_PANELS, B_PANELS, KC, MC, multiplyPanels, NC, packB, TABLE, TILE } from './gemm';
import { loadLanes } from './lanes';

/** Addresses of the input pixels under tap (kh, kw) for `count` output positions from `from`; 0 where there is none. */
function tapAddresses(
  table: usize,
  x: usize,
  from: i32,
  count: i32,
  height: i32,
  width: i32,
  outHeight: i32,
  outWidth: i32,
  strideH: i32,
  strideW: i32,
  offsetH: i32,
  offsetW: i32,
  pixel: usize,
): void {
  const positions = outHeight * outWidth;
  let image = from / positions;
  const rest = from - image * positions;
  let row = rest / outWidth;
  let column = rest - row * outWidth;
  while (count > 0) {
    const y = row * strideH + offsetH;
    const inside = y >= 0 && y < height;
    const base = x + <usize>(image * height + y) * <usize>width * pixel;
    const run = min(count, outWidth - column);
    let left = column * strideW + offsetW;
    for (let i = 0; i < run; i++) {
      store<usize>(table, inside && left >= 0 && left < width ? base + <usize>left * pixel : 0);
      table += 4;
      left += strideW;
    }
    count -= run;
    column = 0;
    if (++row === outHeight) {
      row = 0;
      image++;
    }
  }
}

/** One panel of `lanes` (up to 4) channels starting `offset` bytes into each pixel of the table. */
function gatherPanel(dst: usize, dstStep: usize, table: usize, offset: usize, lanes: i32, k: i32): void {
  if (lanes >= 4) {
    for (let p = 0; p < k; p++) {
      const pixel = load<usize>(table);
      v128.store(dst, pixel === 0 ? f32x4.splat(0) : v128.load(pixel + offset));
      dst += dstStep;
      table += 4;
    }
    return;
  }
  for (let p = 0; p < k; p++) {
    const pixel = load<usize>(table);
    v128.store(dst, pixel === 0 || lanes <= 0 ? f32x4.splat(0) : loadLanes(pixel + offset, lanes));
    dst += dstStep;
    table += 4;
  }
}

/**
 * dw[kh][kw][ci][co] = sum over images and output positions of x[n][oh * stride + kh * dilation - pad][..][ci] * dy[n][oh][ow][co].
 * @param scratch 340 KiB, 16-byte aligned
 */
export function convFilterGradient(
  x: usize,
  dy: usize,
  dw: usize,
  batch: i32,
  height: i32,
  width: i32,
  inChannels: i32,
  outHeight: i32,
  outWidth: i32,
  outChannels: i32,
  filterHeight: i32,
  filterWidth: i32,
  strideH: i32,
  strideW: i32,
  dilationH: i32,
  dilationW: i32,
  padTop: i32,
  padLeft: i32,
  scratch: usize,
): void {
  const total = batch * outHeight * outWidth;
  const taps = filterHeight * filterWidth;
  const pixel = (<usize>inChannels) << 2;
  const dyRow = (<usize>outChannels) << 2;
  const table = scratch + TABLE;
  const tile = scratch + TILE;
  // With up to four output channels the roles are swapped: dy fills the 4-wide side, x the 8-wide one.
  const swapped = outChannels <= 4;
  const width4 = swapped ? 8 : 4;
  const panelsPerTap = (inChannels + width4 - 1) / width4;
  const panelsAtOnce = swapped ? NC / 8 : MC / 4;
  for (let j = 0; j < outChannels; j += NC) {
    const columns = min(NC, outChannels - j);
    for (let p = 0; p < total; p += KC) {
      const depth = min(KC, total - p);
      const first = p === 0;
      const panel = (<usize>depth) << 4;
      const dyBlock = dy + <usize>p * dyRow + ((<usize>j) << 2);
      if (swapped) {
        let to = scratch + A_PANELS;
        let from = dyBlock;
        for (let q = 0; q < depth; q++, to += 16, from += dyRow) v128.store(to, loadLanes(from, columns));
      } else {
        packB(scratch + B_PANELS, dyBlock, 4, dyRow, columns, depth);
      }
      for (let tap = 0; tap < taps; tap++) {
        const kh = tap / filterWidth;
        const kw = tap - kh * filterWidth;
        tapAddresses(
          table,
          x,
          p,
          depth,
          height,
          width,
          outHeight,
          outWidth,
          strideH,
          strideW,
          kh * dilationH - padTop,
          kw * dilationW - padLeft,
          pixel,
        );
        for (let q = 0; q < panelsPerTap; q += panelsAtOnce) {
          const panels = min(panelsAtOnce, panelsPerTap - q);
          const channel = q * width4;
          const channels = min(panels * width4, inChannels - channel);
          const target = dw + <usize>(tap * inChannels + channel) * dyRow + ((<usize>j) << 2);
          if (swapped) {
            let to = scratch + B_PANELS;
            for (let i = 0; i < channels; i += 8) {
              gatherPanel(to, 32, table, (<usize>(channel + i)) << 2, channels - i, depth);
              gatherPanel(to + 16, 32, table, (<usize>(channel + i + 4)) << 2, channels - i - 4, depth);
              to += panel << 1;
            }
            multiplyPanels(
              depth,
              columns,
              channels,
              scratch + A_PANELS,
              16,
              panel,
              scratch + B_PANELS,
              32,
              panel << 1,
              target,
              4,
              dyRow,
              first,
              tile,
            );
          } else {
            let to = scratch + A_PANELS;
            for (let i = 0; i < channels; i += 4) {
              gatherPanel(to, 16, table, (<usize>(channel + i)) << 2, channels - i, depth);
              to += panel;
            }
            multiplyPanels(
              depth,
              channels,
              columns,
              scratch + A_PANELS,
              16,
              panel,
              scratch + B_PANELS,
              32,
              panel << 1,
              target,
              dyRow,
              4,
              first,
              tile,
            );
          }
        }
      }
    }
  }
}
