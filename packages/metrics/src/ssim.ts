import { ShapeError } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { imagePairValues } from './image-values';

const WINDOW = 11;
const SIGMA = 1.5;
const C1 = 0.01 ** 2;
const C2 = 0.03 ** 2;

/**
 * Structural similarity (Wang et al. 2004): the mean of
 * (2 mu_x mu_y + C1)(2 s_xy + C2) / ((mu_x^2 + mu_y^2 + C1)(s_x^2 + s_y^2 + C2)) over all places where the Gaussian
 * window of 11 x 11 and sigma 1.5 lies inside the image, and over channels; C1 = 0.01^2, C2 = 0.03^2. In float64. The
 * values of pytorch-msssim's `ssim(..., data_range=1)`, and of scikit-image's `structural_similarity(...,
 * gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1)`.
 *
 * @param a images in [0, 1], `[N, H, W, C]`, H and W at least 11. Borrowed. @param b the same shape. Borrowed.
 * @returns `[N]`: one value an image, 1 for equal images.
 * @throws {ShapeError} on other shapes. @throws {ArgumentError} on values outside of [0, 1].
 */
export async function ssim(a: Tensor4D, b: Tensor4D): Promise<Float64Array> {
  const [n, h, w, c] = a.shape;
  if (a.rank === 4 && (h < WINDOW || w < WINDOW)) {
    throw new ShapeError('ssim', 'a', `[N, H, W, C] with H and W at least ${WINDOW}`, a.shape);
  }
  const [x, y] = await imagePairValues('ssim', a, b);
  const size = h * w * c;
  return Float64Array.from({ length: n }, (_, image) => {
    const [first, second] = [x, y].map((values) => values.subarray(image * size, (image + 1) * size));
    return meanSimilarity(first!, second!, h, w, c);
  });
}

function meanSimilarity(x: Float32Array, y: Float32Array, h: number, w: number, c: number): number {
  const moment = (value: (i: number) => number) =>
    blurred(
      Float64Array.from({ length: x.length }, (_, i) => value(i)),
      h,
      w,
      c,
    );
  const [meanX, meanY] = [moment((i) => x[i]!), moment((i) => y[i]!)];
  const [xx, yy] = [moment((i) => x[i]! ** 2), moment((i) => y[i]! ** 2)];
  const xy = moment((i) => x[i]! * y[i]!);
  let sum = 0;
  for (let i = 0; i < xy.length; i++) {
    const product = meanX[i]! * meanY[i]!;
    const squares = meanX[i]! ** 2 + meanY[i]! ** 2;
    const structure = (2 * (xy[i]! - product) + C2) / (xx[i]! + yy[i]! - squares + C2);
    sum += ((2 * product + C1) / (squares + C1)) * structure;
  }
  return sum / xy.length;
}

/** `[H, W, C]` by the window, where it lies inside: `[H - 10, W - 10, C]`. Rows first, then columns. */
function blurred(x: Float64Array, h: number, w: number, c: number): Float64Array {
  const weights = gaussian();
  const [outH, outW] = [h - WINDOW + 1, w - WINDOW + 1];
  const columns = new Float64Array(outH * w * c); // [outH, W, C]
  for (let i = 0; i < columns.length; i++) {
    let sum = 0;
    for (let k = 0; k < WINDOW; k++) sum += weights[k]! * x[i + k * w * c]!;
    columns[i] = sum;
  }
  const result = new Float64Array(outH * outW * c);
  for (let row = 0; row < outH; row++) {
    for (let i = 0; i < outW * c; i++) {
      let sum = 0;
      for (let k = 0; k < WINDOW; k++) sum += weights[k]! * columns[row * w * c + i + k * c]!;
      result[row * outW * c + i] = sum;
    }
  }
  return result;
}

function gaussian(): Float64Array {
  const center = (WINDOW - 1) / 2;
  const weights = Float64Array.from({ length: WINDOW }, (_, k) => Math.exp(-((k - center) ** 2) / (2 * SIGMA ** 2)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}
