import { checkShape, ShapeError } from '@sd/core';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

export type MaxPoolConfig = {
  readonly kernel: number;
  readonly stride: number;
  /** Pixels around the image, which never win. */
  readonly pad?: number;
  /** A last window that begins inside the image counts though it ends outside (torch's ceil_mode). */
  readonly ceil?: boolean;
};

/** The least float32: -Infinity is no constant of WGSL. */
const LEAST = -3.4028234663852886e38;

/**
 * torch.nn.functional.max_pool2d on NHWC tensors.
 *
 * The gradient is composed of comparisons, slices and pads, since the WebAssembly backend has no kernel for it. Where
 * several pixels of a window are the greatest, the first gets it all, as in torch.
 *
 * @param x `[N, H, W, C]`. Borrowed. @returns `[N, H', W', C]`. Owned by the caller.
 * @throws {ShapeError} on another rank, and on images smaller than the window.
 */
export function maxPool(x: Tensor4D, config: MaxPoolConfig): Tensor4D {
  checkShape('maxPool', 'x', x, ['N', 'H', 'W', 'C']);
  const { kernel, stride } = config;
  const [, h, w] = x.shape;
  if (outputSize(h, config) < 1 || outputSize(w, config) < 1) {
    throw new ShapeError('maxPool', 'x', `[N, H, W, C] of at least one ${kernel} x ${kernel} window`, x.shape);
  }
  const pooled = tf.customGrad((input, save) => {
    const image = input as Tensor as Tensor4D;
    const value = tf.tidy(() => tf.maxPool(padded(image, config), kernel, stride, 'valid'));
    (save as unknown as tf.GradSaveFunc)([image, value]);
    const gradFunc = (dy: Tensor, [savedX, savedY]: Tensor[]) =>
      gradient(dy as Tensor4D, savedX as Tensor4D, savedY as Tensor4D, config);
    return { value, gradFunc };
  });
  return tf.tidy(() => pooled(x) as Tensor4D);
}

function outputSize(size: number, { kernel, stride, pad = 0, ceil = false }: MaxPoolConfig): number {
  const steps = (size + 2 * pad - kernel) / stride;
  const outputs = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
  return ceil && (outputs - 1) * stride >= size + pad ? outputs - 1 : outputs;
}

/** x with the border that the windows need, which never wins. */
function padded(x: Tensor4D, config: MaxPoolConfig): Tensor4D {
  const { kernel, stride, pad = 0 } = config;
  const [rows, columns] = [x.shape[1], x.shape[2]].map((size): [number, number] => [
    pad,
    Math.max(0, (outputSize(size, config) - 1) * stride + kernel - size - pad),
  ]);
  if ([...rows!, ...columns!].every((width) => width === 0)) return x;
  return tf.pad(x, [[0, 0], rows!, columns!, [0, 0]], LEAST);
}

function gradient(dy: Tensor4D, x: Tensor4D, y: Tensor4D, config: MaxPoolConfig): Tensor4D {
  const { kernel, stride, pad = 0 } = config;
  const [n, h, w, c] = x.shape;
  const [, outH, outW] = y.shape;
  const image = padded(x, config); // [N, P, Q, C]
  // Pixel (i, j) of window (a, b) is the pixel (a + floor(i / stride), b + floor(j / stride)) of phase (i, j) mod stride.
  const reach = Math.floor((kernel - 1) / stride);
  const groups = (outputs: number, size: number) => Math.max(outputs + reach, Math.ceil(size / stride));
  const [rows, columns] = [groups(outH, image.shape[1]), groups(outW, image.shape[2])];
  const phases = phasesOf(image, rows, columns, stride);
  const gradients: (Tensor4D | undefined)[][] = phases.map((row) => row.map(() => undefined));
  let open = tf.onesLike(y); // 1 where no pixel has had the gradient yet
  for (let i = 0; i < kernel; i++) {
    for (let j = 0; j < kernel; j++) {
      const [p, q, top, left] = [i % stride, j % stride, Math.floor(i / stride), Math.floor(j / stride)];
      const pixels = tf.slice(phases[p]![q]!, [0, top, left, 0], [n, outH, outW, c]);
      const wins = tf.mul(tf.cast(tf.equal(pixels, y), 'float32'), open);
      open = tf.sub(open, wins);
      const part = tf.pad(tf.mul<Tensor4D>(dy, wins), [
        [0, 0],
        [top, rows - outH - top],
        [left, columns - outW - left],
        [0, 0],
      ]);
      const before = gradients[p]![q];
      gradients[p]![q] = before === undefined ? part : tf.add<Tensor4D>(before, part);
    }
  }
  const whole = joined(gradients.map((row) => row.map((part) => part ?? tf.zeros([n, rows, columns, c]))));
  return tf.slice(whole, [0, pad, pad, 0], [n, h, w, c]);
}

/** Every stride-th row and column from each offset on, `[N, rows, columns, C]`: tfjs has no strided gradient. */
function phasesOf(image: Tensor4D, rows: number, columns: number, stride: number): Tensor4D[][] {
  const [n, h, w, c] = image.shape;
  const margins: [number, number][] = [
    [0, 0],
    [0, Math.max(0, rows * stride - h)],
    [0, Math.max(0, columns * stride - w)],
    [0, 0],
  ];
  const whole = tf.pad(image, margins, LEAST);
  const lines = tf.unstack(tf.reshape(whole, [n * rows, stride, columns * stride * c]), 1);
  return lines.map((line) =>
    tf
      .unstack(tf.reshape(line, [n * rows * columns, stride, c]), 1)
      .map((phase) => tf.reshape(phase, [n, rows, columns, c])),
  );
}

/** The inverse of `phasesOf`: `[N, rows stride, columns stride, C]`. */
function joined(phases: readonly (readonly Tensor4D[])[]): Tensor4D {
  const stride = phases.length;
  const [n, rows, columns, c] = phases[0]![0]!.shape;
  const lines = phases.map((row) => {
    const pixels = row.map((phase) => tf.reshape(phase, [n * rows * columns, c]));
    return tf.reshape(tf.stack(pixels, 1), [n * rows, columns * stride * c]);
  });
  return tf.reshape(tf.stack(lines, 1), [n, rows * stride, columns * stride, c]);
}
