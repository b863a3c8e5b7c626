// Convolutions as matrix products without an im2col matrix in memory: what would be its panels is gathered from the image
// as it is needed. NHWC and HWIO.
import { A_PANELS, B_PANELS, KC, MC, multiplyPanels, NC, packB, packSegment, TABLE, TILE } from './gemm';
import { loadLanes, storeLanes } from './lanes';

/** Addresses of the input pixels under one tap for `count` output positions from `from`; `zeros` where there is none. */
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
  zeros: usize,
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
      store<usize>(table, inside && left >= 0 && left < width ? base + <usize>left * pixel : zeros);
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
    for (; k > 0; k--, dst += dstStep, table += 4) v128.store(dst, v128.load(load<usize>(table) + offset));
  } else if (lanes > 0) {
    for (; k > 0; k--, dst += dstStep, table += 4) v128.store(dst, loadLanes(load<usize>(table) + offset, lanes));
  } else {
    for (; k > 0; k--, dst += dstStep) v128.store(dst, f32x4.splat(0));
  }
}

/**
 * dw[c][o] += sum_p x_p[c] dy_p[o] for eight channels c of the pixels of the table and four `o`, of which `lanes` exist.
 * dy is packed as [p][4].
 */
function narrowGradient(
  dw: usize,
  row: usize,
  table: usize,
  offset: usize,
  dy: usize,
  lanes: i32,
  k: i32,
  first: bool,
): void {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  let d0 = f32x4.splat(0);
  let d1 = f32x4.splat(0);
  for (; k > 0; k--) {
    const pixel = load<usize>(table) + offset;
    const x0 = v128.load(pixel);
    const x1 = v128.load(pixel, 16);
    let s = v128.load_splat<f32>(dy);
    a0 = f32x4.add(a0, f32x4.mul(s, x0));
    a1 = f32x4.add(a1, f32x4.mul(s, x1));
    s = v128.load_splat<f32>(dy, 4);
    b0 = f32x4.add(b0, f32x4.mul(s, x0));
    b1 = f32x4.add(b1, f32x4.mul(s, x1));
    s = v128.load_splat<f32>(dy, 8);
    c0 = f32x4.add(c0, f32x4.mul(s, x0));
    c1 = f32x4.add(c1, f32x4.mul(s, x1));
    s = v128.load_splat<f32>(dy, 12);
    d0 = f32x4.add(d0, f32x4.mul(s, x0));
    d1 = f32x4.add(d1, f32x4.mul(s, x1));
    table += 4;
    dy += 16;
  }
  storeColumns(dw, row, a0, b0, c0, d0, lanes, first);
  storeColumns(dw + 4 * row, row, a1, b1, c1, d1, lanes, first);
}

/** Stores four columns as rows of `lanes` floats, or adds them. */
function storeColumns(dw: usize, row: usize, a: v128, b: v128, c: v128, d: v128, lanes: i32, first: bool): void {
  const t0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const t1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const t2 = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const t3 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  let r0 = v128.shuffle<f32>(t0, t2, 0, 1, 4, 5);
  let r1 = v128.shuffle<f32>(t0, t2, 2, 3, 6, 7);
  let r2 = v128.shuffle<f32>(t1, t3, 0, 1, 4, 5);
  let r3 = v128.shuffle<f32>(t1, t3, 2, 3, 6, 7);
  if (!first) {
    r0 = f32x4.add(r0, loadLanes(dw, lanes));
    r1 = f32x4.add(r1, loadLanes(dw + row, lanes));
    r2 = f32x4.add(r2, loadLanes(dw + 2 * row, lanes));
    r3 = f32x4.add(r3, loadLanes(dw + 3 * row, lanes));
  }
  storeLanes(dw, r0, lanes);
  storeLanes(dw + row, r1, lanes);
  storeLanes(dw + 2 * row, r2, lanes);
  storeLanes(dw + 3 * row, r3, lanes);
}

/** Panels of input channels that each tap of a filter has in convFilterGradient. */
function filterGradientPanels(inChannels: i32, outChannels: i32): i32 {
  return outChannels <= 4 ? (inChannels + 7) >> 3 : (inChannels + 3) >> 2;
}

/**
 * dw[kh][kw][ci][co] = sum over images and output positions of x[n][oh * stride + kh * dilation - pad][..][ci] * dy[n][oh][ow][co]
 * for the panels `from` to `to` of input channels, counted through the taps: threads share the work by these.
 * @param zeros inChannels zeros
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
  filterWidth: i32,
  strideH: i32,
  strideW: i32,
  dilationH: i32,
  dilationW: i32,
  padTop: i32,
  padLeft: i32,
  zeros: usize,
  from: i32,
  to: i32,
  scratch: usize,
): void {
  const total = batch * outHeight * outWidth;
  const pixel = (<usize>inChannels) << 2;
  const dyRow = (<usize>outChannels) << 2;
  const table = scratch + TABLE;
  const tile = scratch + TILE;
  // With up to four output channels the roles are swapped: dy fills the 4-wide side, x the 8-wide one.
  const swapped = outChannels <= 4;
  const width4 = swapped ? 8 : 4;
  const panelsPerTap = filterGradientPanels(inChannels, outChannels);
  const panelsAtOnce = swapped ? NC / 8 : MC / 4;
  const lastTap = (to + panelsPerTap - 1) / panelsPerTap;
  for (let j = 0; j < outChannels; j += NC) {
    const columns = min(NC, outChannels - j);
    for (let p = 0; p < total; p += KC) {
      const depth = min(KC, total - p);
      const first = p === 0;
      const panel = (<usize>depth) << 4;
      const dyBlock = dy + <usize>p * dyRow + ((<usize>j) << 2);
      if (swapped) {
        let panelAt = scratch + A_PANELS;
        let dyAt = dyBlock;
        for (let q = 0; q < depth; q++, panelAt += 16, dyAt += dyRow) v128.store(panelAt, loadLanes(dyAt, columns));
      } else {
        packB(scratch + B_PANELS, dyBlock, 4, dyRow, columns, depth);
      }
      for (let tap = from / panelsPerTap; tap < lastTap; tap++) {
        const kh = tap / filterWidth;
        const kw = tap - kh * filterWidth;
        const firstPanel = max(0, from - tap * panelsPerTap);
        const lastPanel = min(panelsPerTap, to - tap * panelsPerTap);
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
          zeros,
        );
        for (let q = firstPanel; q < lastPanel; q += panelsAtOnce) {
          const panels = min(panelsAtOnce, lastPanel - q);
          const channel = q * width4;
          const channels = min(panels * width4, inChannels - channel);
          const target = dw + <usize>(tap * inChannels + channel) * dyRow + ((<usize>j) << 2);
          if (swapped) {
            const whole = channels & ~7;
            for (let i = 0; i < whole; i += 8) {
              const offset = (<usize>(channel + i)) << 2;
              const dyPanel = scratch + A_PANELS;
              narrowGradient(target + <usize>i * dyRow, dyRow, table, offset, dyPanel, columns, depth, first);
            }
            if (whole < channels) {
              const xPanel = scratch + B_PANELS;
              const offset = (<usize>(channel + whole)) << 2;
              gatherPanel(xPanel, 32, table, offset, channels - whole, depth);
              gatherPanel(xPanel + 16, 32, table, offset + 16, channels - whole - 4, depth);
              multiplyPanels(
                depth,
                columns,
                channels - whole,
                scratch + A_PANELS,
                16,
                panel,
                xPanel,
                32,
                panel << 1,
                target + <usize>whole * dyRow,
                4,
                dyRow,
                first,
                tile,
              );
            }
          } else {
            let xPanel = scratch + A_PANELS;
            for (let i = 0; i < channels; i += 4) {
              gatherPanel(xPanel, 16, table, (<usize>(channel + i)) << 2, channels - i, depth);
              xPanel += panel;
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

/** Transposes `size` floats of each of four pixels into dst[p * 16 + pixel * 4]. */
function gatherRows4(dst: usize, table: usize, offset: usize, size: i32): void {
  let r0 = load<usize>(table) + offset;
  let r1 = load<usize>(table, 4) + offset;
  let r2 = load<usize>(table, 8) + offset;
  let r3 = load<usize>(table, 12) + offset;
  for (; size >= 4; size -= 4) {
    const v0 = v128.load(r0);
    const v1 = v128.load(r1);
    const v2 = v128.load(r2);
    const v3 = v128.load(r3);
    const t0 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5);
    const t1 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
    const t2 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5);
    const t3 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
    v128.store(dst, v128.shuffle<f32>(t0, t2, 0, 1, 4, 5));
    v128.store(dst, v128.shuffle<f32>(t0, t2, 2, 3, 6, 7), 16);
    v128.store(dst, v128.shuffle<f32>(t1, t3, 0, 1, 4, 5), 32);
    v128.store(dst, v128.shuffle<f32>(t1, t3, 2, 3, 6, 7), 48);
    dst += 64;
    r0 += 16;
    r1 += 16;
    r2 += 16;
    r3 += 16;
  }
  for (; size > 0; size--) {
    store<f32>(dst, load<f32>(r0));
    store<f32>(dst, load<f32>(r1), 4);
    store<f32>(dst, load<f32>(r2), 8);
    store<f32>(dst, load<f32>(r3), 12);
    dst += 16;
    r0 += 4;
    r1 += 4;
    r2 += 4;
    r3 += 4;
  }
}

/**
 * Four pixels of a convolution into at most four channels, straight from the image: the products of a tap with the filter
 * packed as [tap][inChannels][4]. Sums of one tap are added up before they join the others'.
 */
function narrowPixels(
  y: usize,
  row: usize,
  table: usize,
  taps: i32,
  inChannels: i32,
  outChannels: i32,
  w: usize,
  pixels: i32,
  first: bool,
): void {
  let y0 = f32x4.splat(0);
  let y1 = f32x4.splat(0);
  let y2 = f32x4.splat(0);
  let y3 = f32x4.splat(0);
  for (; taps > 0; taps--) {
    let x0 = load<usize>(table);
    let x1 = load<usize>(table, 4);
    let x2 = load<usize>(table, 8);
    let x3 = load<usize>(table, 12);
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let s2 = f32x4.splat(0);
    let s3 = f32x4.splat(0);
    for (let c = inChannels; c > 0; c--) {
      const weights = v128.load(w);
      s0 = f32x4.add(s0, f32x4.mul(v128.load_splat<f32>(x0), weights));
      s1 = f32x4.add(s1, f32x4.mul(v128.load_splat<f32>(x1), weights));
      s2 = f32x4.add(s2, f32x4.mul(v128.load_splat<f32>(x2), weights));
      s3 = f32x4.add(s3, f32x4.mul(v128.load_splat<f32>(x3), weights));
      x0 += 4;
      x1 += 4;
      x2 += 4;
      x3 += 4;
      w += 16;
    }
    y0 = f32x4.add(y0, s0);
    y1 = f32x4.add(y1, s1);
    y2 = f32x4.add(y2, s2);
    y3 = f32x4.add(y3, s3);
    table += MC * 4;
  }
  for (; pixels > 0; pixels--) {
    storeLanes(y, first ? y0 : f32x4.add(y0, loadLanes(y, outChannels)), outChannels);
    y += row;
    y0 = y1;
    y1 = y2;
    y2 = y3;
  }
}

/**
 * Packs the columns of a convolution's filter as `convolve` reads them: block by block of at most KC products (tap, channel);
 * within a block panel by panel of eight output channels, within a panel tap by tap. At most four output channels are one
 * panel [tap][inChannels][4]. Element (i, o) of the matrix of tap (kh, kw) is at
 * w + kh * tapRowStep + kw * tapStep + i * inStep + o * outStep.
 * @param packed room for taps * inChannels * (outChannels rounded up to 8) floats
 * @param from, to the panels to pack: threads share the work by these
 */
export function packFilter(
  packed: usize,
  w: usize,
  inChannels: i32,
  outChannels: i32,
  filterHeight: i32,
  filterWidth: i32,
  tapRowStep: usize,
  tapStep: usize,
  inStep: usize,
  outStep: usize,
  from: i32,
  to: i32,
): void {
  const depth = filterHeight * filterWidth * inChannels;
  const panels = (outChannels + 7) >> 3;
  const narrow = outChannels <= 4;
  for (let q = 0; narrow && q < depth; q++) {
    const tap = q / inChannels;
    const kh = tap / filterWidth;
    const kw = tap - kh * filterWidth;
    const source = w + <usize>kh * tapRowStep + <usize>kw * tapStep + <usize>(q - tap * inChannels) * inStep;
    const target = packed + ((<usize>q) << 4);
    v128.store(target, f32x4.splat(0));
    for (let o = 0; o < outChannels; o++)
      store<f32>(target + ((<usize>o) << 2), load<f32>(source + <usize>o * outStep));
  }
  const lanes = min(outChannels, to << 3) - (from << 3);
  for (let p = 0; !narrow && p < depth; p += KC) {
    const block = min(KC, depth - p);
    const panel = (<usize>block) << 5;
    const base = packed + <usize>p * ((<usize>panels) << 5) + <usize>from * panel;
    for (let q = p; q < p + block; ) {
      const tap = q / inChannels;
      const channel = q - tap * inChannels;
      const run = min(inChannels - channel, p + block - q);
      const kh = tap / filterWidth;
      const kw = tap - kh * filterWidth;
      const source = w + <usize>kh * tapRowStep + <usize>kw * tapStep + <usize>channel * inStep;
      packSegment(
        base + ((<usize>(q - p)) << 5),
        panel,
        source + <usize>(from << 3) * outStep,
        outStep,
        inStep,
        lanes,
        run,
      );
      q += run;
    }
  }
}

/**
 * y[n][oh][ow][:] += sum over taps of x[n][oh * stride + kh * dilation + offset][..][:] times the tap's matrix, with `first`
 * from zero, for the output positions `from` to `to`, counted through the images, and the eights of output channels
 * `fromPanel` to `toPanel`: threads share the work by these. The products run over (tap, channel) in blocks of at most KC.
 * @param packed the filter as packFilter leaves it, and after it inChannels zeros
 * @param scratch as for gemm
 */
export function convolve(
  y: usize,
  x: usize,
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
  offsetH: i32,
  offsetW: i32,
  first: bool,
  packed: usize,
  from: i32,
  to: i32,
  fromPanel: i32,
  toPanel: i32,
  scratch: usize,
): void {
  const taps = filterHeight * filterWidth;
  const depth = taps * inChannels;
  const panels = (outChannels + 7) >> 3;
  const columns = min(outChannels, toPanel << 3) - (fromPanel << 3);
  const pixel = (<usize>inChannels) << 2;
  const row = (<usize>outChannels) << 2;
  const zeros = packed + <usize>depth * ((<usize>panels) << 5);
  const table = scratch + TABLE;
  const narrow = outChannels <= 4;
  y += (<usize>fromPanel) << 5;
  for (let i = from; i < to; i += MC) {
    const rows = min(MC, to - i);
    const padded = (rows + 3) & ~3;
    // Addresses of these pixels under every tap; a row of four that is not full repeats a pixel.
    for (let tap = 0; tap < taps; tap++) {
      const kh = tap / filterWidth;
      const kw = tap - kh * filterWidth;
      const addresses = table + <usize>tap * (MC * 4);
      tapAddresses(
        addresses,
        x,
        i,
        rows,
        height,
        width,
        outHeight,
        outWidth,
        strideH,
        strideW,
        kh * dilationH + offsetH,
        kw * dilationW + offsetW,
        pixel,
        zeros,
      );
      for (let r = rows; r < padded; r++) store<usize>(addresses + ((<usize>r) << 2), zeros);
    }
    for (let r = 0; narrow && r < rows; r += 4) {
      const pixels = y + <usize>(i + r) * row;
      const addresses = table + ((<usize>r) << 2);
      narrowPixels(pixels, row, addresses, taps, inChannels, outChannels, packed, min(4, rows - r), first);
    }
    for (let p = 0; !narrow && p < depth; p += KC) {
      const block = min(KC, depth - p);
      for (let r = 0; r < padded; r += 4) {
        const panel = scratch + A_PANELS + <usize>r * ((<usize>block) << 2);
        for (let q = p; q < p + block; ) {
          const tap = q / inChannels;
          const channel = q - tap * inChannels;
          const run = min(inChannels - channel, p + block - q);
          const addresses = table + <usize>tap * (MC * 4) + ((<usize>r) << 2);
          gatherRows4(panel + ((<usize>(q - p)) << 4), addresses, (<usize>channel) << 2, run);
          q += run;
        }
      }
      multiplyPanels(
        block,
        rows,
        columns,
        scratch + A_PANELS,
        16,
        (<usize>block) << 4,
        packed + <usize>p * ((<usize>panels) << 5) + <usize>fromPanel * ((<usize>block) << 5),
        32,
        (<usize>block) << 5,
        y + <usize>i * row,
        row,
        4,
        first && p === 0,
        scratch + TILE,
      );
    }
  }
}
