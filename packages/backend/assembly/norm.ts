// Group normalization of NHWC tensors, an image at a time, so that all its passes but the first read from the cache.
// Columns are channels, of which a call may take whole groups that lie side by side in pixels `row` bytes apart: threads share the
// work by these. Per-channel numbers stand in `scratch`.

import { sigmoidLanes, siluSlope } from './functions';
import { loadLanes, storeLanes } from './lanes';
import { sumPartOfColumns } from './reduce';

/** Rows per pass of a column sum: rounding grows with it, not with the number of pixels. */
const BLOCK: i32 = 128;

/** sums[c] = sum over pixels of (x[i][c] - center[c])^2 */
function squaredDeviations(sums: usize, x: usize, center: usize, pixels: i32, channels: i32, row: usize): void {
  memory.fill(sums, 0, (<usize>channels) << 2);
  for (; pixels > 0; pixels -= BLOCK) {
    const rows = min(BLOCK, pixels);
    for (let c = 0; c < channels; c += 4) {
      const lanes = channels - c;
      const at = (<usize>c) << 2;
      const mean = loadLanes(center + at, lanes);
      let from = x + at;
      let s = f32x4.splat(0);
      if (lanes >= 4) {
        for (let r = rows; r > 0; r--, from += row) {
          const d = f32x4.sub(v128.load(from), mean);
          s = f32x4.add(s, f32x4.mul(d, d));
        }
      } else {
        for (let r = rows; r > 0; r--, from += row) {
          const d = f32x4.sub(loadLanes(from, lanes), mean);
          s = f32x4.add(s, f32x4.mul(d, d));
        }
      }
      storeLanes(sums + at, f32x4.add(s, loadLanes(sums + at, lanes)), lanes);
    }
    x += <usize>rows * row;
  }
}

/** Gives every channel the sum of its group's, times `factor`; in place. */
function spreadGroups(values: usize, channels: i32, groups: i32, factor: f64): void {
  const size = channels / groups;
  for (let g = 0; g < groups; g++) {
    let sum: f64 = 0;
    for (let c = 0; c < size; c++) sum += <f64>load<f32>(values + ((<usize>c) << 2));
    const value = <f32>(sum * factor);
    for (let c = 0; c < size; c++, values += 4) store<f32>(values, value);
  }
}

/** means[c] and inverses[c] = 1 / sqrt(variance + eps) of the group of channel c, for one image. */
function statistics(
  means: usize,
  inverses: usize,
  x: usize,
  pixels: i32,
  channels: i32,
  row: usize,
  groups: i32,
  eps: f32,
): void {
  const count = <f64>pixels * <f64>(channels / groups);
  sumPartOfColumns(means, x, 1, pixels, channels, row, 1);
  spreadGroups(means, channels, groups, 1 / count);
  squaredDeviations(inverses, x, means, pixels, channels, row);
  spreadGroups(inverses, channels, groups, 1 / count);
  for (let c = 0; c < channels; c++) {
    const at = inverses + ((<usize>c) << 2);
    store<f32>(at, <f32>(1 / sqrt(<f64>load<f32>(at) + <f64>eps)));
  }
}

/** y = (x - mean) * factor + offset, and y sigmoid(y) with `silu`, for four channels (or fewer `lanes`) of `rows` pixels. */
function normalize(
  y: usize,
  x: usize,
  rows: i32,
  row: usize,
  lanes: i32,
  means: usize,
  factors: usize,
  offsets: usize,
  silu: bool,
): void {
  const mean = loadLanes(means, lanes);
  const factor = loadLanes(factors, lanes);
  const offset = loadLanes(offsets, lanes);
  if (lanes < 4) {
    for (; rows > 0; rows--, x += row, y += row) {
      const z = f32x4.add(f32x4.mul(f32x4.sub(loadLanes(x, lanes), mean), factor), offset);
      storeLanes(y, silu ? f32x4.mul(z, sigmoidLanes(z)) : z, lanes);
    }
  } else if (silu) {
    for (; rows > 0; rows--, x += row, y += row) {
      const z = f32x4.add(f32x4.mul(f32x4.sub(v128.load(x), mean), factor), offset);
      v128.store(y, f32x4.mul(z, sigmoidLanes(z)));
    }
  } else {
    for (; rows > 0; rows--, x += row, y += row) {
      v128.store(y, f32x4.add(f32x4.mul(f32x4.sub(v128.load(x), mean), factor), offset));
    }
  }
}

/** y = (x - mean) / sqrt(variance + eps) * scale + shift, then y sigmoid(y) with `silu`. @param scratch 4 * channels floats */
export function groupNorm(
  y: usize,
  x: usize,
  scale: usize,
  shift: usize,
  batch: i32,
  pixels: i32,
  channels: i32,
  groups: i32,
  eps: f32,
  silu: bool,
  row: usize,
  scratch: usize,
): void {
  const size = (<usize>channels) << 2;
  const factors = scratch + size;
  for (let n = 0; n < batch; n++) {
    statistics(scratch, factors, x, pixels, channels, row, groups, eps);
    // y = x * factor + offset
    for (let at: usize = 0; at < size; at += 4) {
      const factor = load<f32>(factors + at) * load<f32>(scale + at);
      store<f32>(factors + at, factor);
    }
    for (let i = 0; i < pixels; i += BLOCK) {
      const rows = min(BLOCK, pixels - i);
      for (let c = 0; c < channels; c += 4) {
        const at = (<usize>c) << 2;
        normalize(y + at, x + at, rows, row, channels - c, scratch + at, factors + at, shift + at, silu);
      }
      x += <usize>rows * row;
      y += <usize>rows * row;
    }
  }
}

/**
 * dz into dx, and its sums and those of dz xHat added to the third and fourth row of `constants`, whose first two are the
 * means and the inverse deviations; for four channels (or fewer `lanes`) of `rows` pixels.
 */
function addGradients(
  dx: usize,
  x: usize,
  dy: usize,
  rows: i32,
  row: usize,
  lanes: i32,
  constants: usize,
  next: usize,
  scales: usize,
  shifts: usize,
  silu: bool,
): void {
  const mean = loadLanes(constants, lanes);
  const inverse = loadLanes(constants + next, lanes);
  const scale = loadLanes(scales, lanes);
  const shift = loadLanes(shifts, lanes);
  let sum = f32x4.splat(0);
  let product = f32x4.splat(0);
  if (lanes < 4) {
    for (; rows > 0; rows--, x += row, dy += row, dx += row) {
      const xHat = f32x4.mul(f32x4.sub(loadLanes(x, lanes), mean), inverse);
      let dz = loadLanes(dy, lanes);
      if (silu) dz = f32x4.mul(dz, siluSlope(f32x4.add(f32x4.mul(xHat, scale), shift)));
      sum = f32x4.add(sum, dz);
      product = f32x4.add(product, f32x4.mul(dz, xHat));
      storeLanes(dx, dz, lanes);
    }
  } else if (silu) {
    for (; rows > 0; rows--, x += row, dy += row, dx += row) {
      const xHat = f32x4.mul(f32x4.sub(v128.load(x), mean), inverse);
      const dz = f32x4.mul(v128.load(dy), siluSlope(f32x4.add(f32x4.mul(xHat, scale), shift)));
      sum = f32x4.add(sum, dz);
      product = f32x4.add(product, f32x4.mul(dz, xHat));
      v128.store(dx, dz);
    }
  } else {
    for (; rows > 0; rows--, x += row, dy += row, dx += row) {
      const xHat = f32x4.mul(f32x4.sub(v128.load(x), mean), inverse);
      const dz = v128.load(dy);
      sum = f32x4.add(sum, dz);
      product = f32x4.add(product, f32x4.mul(dz, xHat));
      v128.store(dx, dz);
    }
  }
  const sums = constants + 2 * next;
  storeLanes(sums, f32x4.add(sum, loadLanes(sums, lanes)), lanes);
  const products = constants + 3 * next;
  storeLanes(products, f32x4.add(product, loadLanes(products, lanes)), lanes);
}

/** dx = dx * constants[2] - constants[4] - (x - constants[0]) * constants[5] */
function finishGradient(dx: usize, x: usize, rows: i32, row: usize, lanes: i32, constants: usize, next: usize): void {
  const mean = loadLanes(constants, lanes);
  const factor = loadLanes(constants + 2 * next, lanes);
  const offset = loadLanes(constants + 4 * next, lanes);
  const slope = loadLanes(constants + 5 * next, lanes);
  if (lanes < 4) {
    for (; rows > 0; rows--, x += row, dx += row) {
      const straight = f32x4.sub(f32x4.mul(loadLanes(dx, lanes), factor), offset);
      storeLanes(dx, f32x4.sub(straight, f32x4.mul(f32x4.sub(loadLanes(x, lanes), mean), slope)), lanes);
    }
  } else {
    for (; rows > 0; rows--, x += row, dx += row) {
      const straight = f32x4.sub(f32x4.mul(v128.load(dx), factor), offset);
      v128.store(dx, f32x4.sub(straight, f32x4.mul(f32x4.sub(v128.load(x), mean), slope)));
    }
  }
}

/**
 * With xHat = (x - mean) inverse, z = xHat scale + shift and dz = dy (or dy silu'(z)):
 *   dx = inverse (dz scale - mean(dz scale) - xHat mean(dz scale xHat)), means over the group's part of the image;
 *   dscale = sum(dz xHat), dshift = sum(dz), over all images.
 * dz stands in dx until the sums are known. @param scratch 8 * channels floats
 */
export function groupNormGradient(
  dx: usize,
  dscale: usize,
  dshift: usize,
  x: usize,
  scale: usize,
  shift: usize,
  dy: usize,
  batch: i32,
  pixels: i32,
  channels: i32,
  groups: i32,
  eps: f32,
  silu: bool,
  row: usize,
  scratch: usize,
): void {
  const size = (<usize>channels) << 2;
  const means = scratch;
  const inverses = scratch + size;
  const sums = scratch + 2 * size; // of dz
  const products = scratch + 3 * size; // of dz xHat
  const meanGradients = scratch + 4 * size;
  const meanProducts = scratch + 5 * size;
  const count = <f64>pixels * <f64>(channels / groups);
  memory.fill(dscale, 0, size);
  memory.fill(dshift, 0, size);
  for (let n = 0; n < batch; n++) {
    statistics(means, inverses, x, pixels, channels, row, groups, eps);
    memory.fill(sums, 0, size);
    memory.fill(products, 0, size);
    for (let i = 0; i < pixels; i += BLOCK) {
      const rows = min(BLOCK, pixels - i);
      for (let c = 0; c < channels; c += 4) {
        const at = (<usize>c) << 2;
        const cell = <usize>i * row + at;
        const constants = scratch + at;
        addGradients(
          dx + cell,
          x + cell,
          dy + cell,
          rows,
          row,
          channels - c,
          constants,
          size,
          scale + at,
          shift + at,
          silu,
        );
      }
    }
    for (let at: usize = 0; at < size; at += 4) {
      const sum = load<f32>(sums + at);
      const product = load<f32>(products + at);
      store<f32>(dshift + at, load<f32>(dshift + at) + sum);
      store<f32>(dscale + at, load<f32>(dscale + at) + product);
      store<f32>(meanGradients + at, sum * load<f32>(scale + at));
      store<f32>(meanProducts + at, product * load<f32>(scale + at));
    }
    spreadGroups(meanGradients, channels, groups, 1 / count);
    spreadGroups(meanProducts, channels, groups, 1 / count);
    // dx = dz (inverse scale) - inverse meanGradient - (x - mean) (inverse^2 meanProduct)
    for (let at: usize = 0; at < size; at += 4) {
      const inverse = load<f32>(inverses + at);
      store<f32>(sums + at, inverse * load<f32>(scale + at));
      store<f32>(meanGradients + at, inverse * load<f32>(meanGradients + at));
      store<f32>(meanProducts + at, inverse * inverse * load<f32>(meanProducts + at));
    }
    for (let i = 0; i < pixels; i += BLOCK) {
      const rows = min(BLOCK, pixels - i);
      for (let c = 0; c < channels; c += 4) {
        const at = (<usize>c) << 2;
        finishGradient(dx + at, x + at, rows, row, channels - c, scratch + at, size);
      }
      const step = <usize>rows * row;
      x += step;
      dy += step;
      dx += step;
    }
  }
}
