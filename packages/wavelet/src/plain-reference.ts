import * as tf from '@tensorflow/tfjs-core';

/**
 * For tests: the same maths written out band by band from stock operations, with tfjs's own gradients. Shares no code
 * with the modules. Weights are in memory layout: `[in, out]`, `[1, 1, in, out]`.
 */
export type PlainWeights = readonly [
  reduce: tf.Tensor,
  expand: tf.Tensor,
  fuseWeight?: tf.Tensor,
  fuseBias?: tf.Tensor,
];

type Bands = readonly [ll: tf.Tensor, lh: tf.Tensor, hl: tf.Tensor, hh: tf.Tensor];

export function plainWGDown(x: tf.Tensor4D, weights: PlainWeights): tf.Tensor4D {
  const gates = plainGates(x, weights); // 4 x [N, 1, 1, C or 1]
  const gated = plainDwt(x).map((band, i) => tf.mul(band, gates[i]));
  const [, , fuseWeight, fuseBias] = weights;
  if (!fuseWeight || !fuseBias) return tf.addN(gated) as tf.Tensor4D;
  return plainConv(tf.concat(gated, 3), fuseWeight, fuseBias);
}

export function plainWGUp(x: tf.Tensor4D, weights: PlainWeights): tf.Tensor4D {
  const gates = plainGates(x, weights); // 4 x [N, 1, 1, C/4 or 1]
  const gated = tf.split(x, 4, 3).map((chunk, i) => tf.mul(chunk, gates[i])) as unknown as Bands;
  const [, , fuseWeight, fuseBias] = weights;
  return plainConv(plainIdwt(gated), fuseWeight as tf.Tensor, fuseBias as tf.Tensor);
}

export function plainGates(x: tf.Tensor4D, [reduce, expand]: PlainWeights): tf.Tensor[] {
  const hidden = tf.matMul(tf.mean(x, [1, 2]) as tf.Tensor2D, reduce as tf.Tensor2D);
  const gates = tf.sigmoid(
    tf.matMul(tf.div(hidden, tf.add(1, tf.exp(tf.neg(hidden)))) as tf.Tensor2D, expand as tf.Tensor2D),
  );
  return tf.split(gates, 4, 1).map((gate) => tf.reshape(gate, [x.shape[0], 1, 1, -1]));
}

function plainDwt(x: tf.Tensor4D): Bands {
  const [n, h, w, c] = x.shape;
  const blocks = tf.reshape(x, [n * (h / 2), 2, (w / 2) * 2, c]);
  const [top, bottom] = tf.split(blocks, 2, 1).map((row) => tf.reshape(row, [n * (h / 2) * (w / 2), 2, c]));
  const corner = (row: tf.Tensor) => tf.split(row, 2, 1).map((t) => tf.reshape(t, [n, h / 2, w / 2, c]));
  const [[a, b], [d, e]] = [corner(top), corner(bottom)];
  const band = (...signs: number[]) => tf.addN([a, b, d, e].map((t, i) => tf.mul(t, signs[i] / 2)));
  return [band(1, 1, 1, 1), band(1, 1, -1, -1), band(1, -1, 1, -1), band(1, -1, -1, 1)];
}

function plainIdwt([ll, lh, hl, hh]: Bands): tf.Tensor4D {
  const [n, h, w, c] = ll.shape;
  const corner = (...signs: number[]) => tf.addN([ll, lh, hl, hh].map((t, i) => tf.mul(t, signs[i] / 2)));
  const top = tf.stack([corner(1, 1, 1, 1), corner(1, 1, -1, -1)], 3); // [N, H, W, 2, C]
  const bottom = tf.stack([corner(1, -1, 1, -1), corner(1, -1, -1, 1)], 3);
  return tf.reshape(tf.stack([top, bottom], 2), [n, 2 * h, 2 * w, c]); // from [N, H, 2, W, 2, C]
}

function plainConv(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor4D {
  const [n, h, w, c] = x.shape;
  const out = bias.size;
  const y = tf.add(tf.matMul(tf.reshape(x, [n * h * w, c]), tf.reshape(weight, [c, out])), bias);
  return tf.reshape(y, [n, h, w, out]);
}
