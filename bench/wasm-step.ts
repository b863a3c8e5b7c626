import * as tf from '@tensorflow/tfjs-core';

type Weights = Map<string, tf.Variable>;
type Image = tf.Tensor4D;

/** How the network normalizes: composed of tfjs's operations, or in one kernel. */
export type NormSilu = (x: Image, scale: tf.Tensor1D, shift: tf.Tensor1D, groups: number) => Image;

/** Group normalization and SiLU as one writes them with tfjs. */
export const composedNormSilu: NormSilu = (x, scale, shift, groups) => {
  const [n, h, w, c] = x.shape;
  const grouped = tf.reshape(x, [n, h * w, groups, c / groups]);
  const { mean, variance } = tf.moments(grouped, [1, 3], true);
  const hat = tf.reshape(tf.mul(tf.sub(grouped, mean), tf.rsqrt(tf.add(variance, 1e-5))), x.shape);
  const z = tf.add(tf.mul(hat, scale), shift);
  return tf.mul(z, tf.sigmoid(z)) as Image;
};

/**
 * A small UNet as diffusion models use it: 32 x 32 images, widths 64 and 128 over three levels, residual blocks with a time
 * embedding, attention at 16 x 16, skips by concatenation; mean squared error and AdamW.
 */
export class TrainingStep {
  readonly #weights: Weights = new Map();
  readonly #moments = new Map<string, [tf.Variable, tf.Variable]>();
  readonly #x: Image;
  readonly #noise: Image;
  readonly #embedding: tf.Tensor2D;

  constructor(
    batch: number,
    private readonly normSilu: NormSilu,
  ) {
    this.#x = tf.randomNormal([batch, 32, 32, 3], 0, 1, 'float32', 1);
    this.#noise = tf.randomNormal([batch, 32, 32, 3], 0, 1, 'float32', 2);
    this.#embedding = tf.randomNormal([batch, 64], 0, 1, 'float32', 3);
    tf.tidy(() => this.#forward());
  }

  /** One step; the loss. */
  run(): number {
    const { value, grads } = tf.variableGrads(
      () => tf.losses.meanSquaredError(this.#noise, this.#forward()) as tf.Scalar,
      [...this.#weights.values()],
    );
    tf.tidy(() => {
      for (const [name, weight] of this.#weights) this.#update(name, weight, grads[weight.name] as tf.Tensor);
    });
    const [loss] = value.dataSync();
    tf.dispose([value, grads]);
    return loss as number;
  }

  #update(name: string, weight: tf.Variable, gradient: tf.Tensor): void {
    let moments = this.#moments.get(name);
    if (moments === undefined) {
      const zero = () => tf.variable(tf.zeros(weight.shape), false);
      moments = [zero(), zero()];
      this.#moments.set(name, moments);
    }
    const [first, second] = moments;
    first.assign(tf.add(tf.mul(first, 0.9), tf.mul(gradient, 0.1)));
    second.assign(tf.add(tf.mul(second, 0.999), tf.mul(tf.square(gradient), 0.001)));
    const change = tf.mul(tf.div(first, tf.add(tf.sqrt(second), 1e-8)), 1e-4);
    weight.assign(tf.sub(tf.mul(weight, 1 - 1e-6), change));
  }

  #weight(name: string, shape: number[], scale: number, offset = 0): tf.Tensor {
    let weight = this.#weights.get(name);
    if (weight === undefined) {
      weight = tf.variable(tf.add(tf.randomNormal(shape, 0, scale, 'float32', this.#weights.size), offset));
      tf.keep(weight);
      this.#weights.set(name, weight);
    }
    return weight;
  }

  #conv(name: string, x: Image, outC: number, size = 3, stride = 1): Image {
    const inC = x.shape[3];
    const filter = this.#weight(`${name}.w`, [size, size, inC, outC], (size * size * inC) ** -0.5) as Image;
    const y = tf.conv2d(x, filter, stride, size === 3 ? 1 : 0);
    return tf.add(y, this.#weight(`${name}.b`, [outC], 0)) as Image;
  }

  #norm(name: string, x: Image): Image {
    const c = x.shape[3];
    const scale = this.#weight(`${name}.scale`, [c], 0, 1) as tf.Tensor1D;
    return this.normSilu(x, scale, this.#weight(`${name}.shift`, [c], 0) as tf.Tensor1D, 32);
  }

  #dense(name: string, x: tf.Tensor2D, out: number): tf.Tensor2D {
    const y = tf.matMul(x, this.#weight(`${name}.w`, [x.shape[1], out], x.shape[1] ** -0.5) as tf.Tensor2D);
    return tf.add(y, this.#weight(`${name}.b`, [out], 0)) as tf.Tensor2D;
  }

  #block(name: string, x: Image, time: tf.Tensor2D, outC: number): Image {
    const h = this.#conv(`${name}.1`, this.#norm(`${name}.n1`, x), outC);
    const shifted = tf.add(h, tf.reshape(this.#dense(`${name}.t`, time, outC), [-1, 1, 1, outC])) as Image;
    const y = this.#conv(`${name}.2`, this.#norm(`${name}.n2`, shifted), outC);
    const skip = x.shape[3] === outC ? x : this.#conv(`${name}.s`, x, outC, 1);
    return tf.add(y, skip) as Image;
  }

  #attention(name: string, x: Image): Image {
    const [n, h, w, c] = x.shape;
    const heads = 4;
    const qkv = this.#conv(`${name}.qkv`, this.#norm(`${name}.n`, x), 3 * c, 1);
    const [q, k, v] = tf
      .split(tf.reshape(qkv, [n, h * w, 3 * heads, c / heads]), 3, 2)
      .map((part) => tf.transpose(part, [0, 2, 1, 3])) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const weights = tf.softmax(tf.mul(tf.matMul(q, k, false, true), (c / heads) ** -0.5));
    const mixed = tf.reshape(tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]), x.shape);
    return tf.add(x, this.#conv(`${name}.o`, mixed as Image, c, 1)) as Image;
  }

  #upsample(name: string, x: Image): Image {
    const [, h, w, c] = x.shape;
    return this.#conv(name, tf.image.resizeNearestNeighbor(x, [2 * h, 2 * w]), c);
  }

  #forward(): Image {
    const hidden = this.#dense('time.0', this.#embedding, 256);
    const time = tf.mul(hidden, tf.sigmoid(hidden)) as tf.Tensor2D;
    const a = this.#block('a', this.#conv('in', this.#x, 64), time, 64); // 32 x 32 x 64
    const b = this.#attention('b.a', this.#block('b', this.#conv('down.a', a, 64, 3, 2), time, 128)); // 16 x 16 x 128
    const c = this.#block('c', this.#conv('down.b', b, 128, 3, 2), time, 128); // 8 x 8 x 128
    const d = this.#block('d', tf.concat([this.#upsample('up.c', c), b], 3), time, 128); // 16 x 16 x 128
    const e = this.#block('e', tf.concat([this.#upsample('up.d', d), a], 3), time, 64); // 32 x 32 x 64
    return this.#conv('out', this.#norm('out.n', e), 3);
  }

  dispose(): void {
    tf.dispose([this.#x, this.#noise, this.#embedding, ...this.#weights.values()]);
    tf.dispose([...this.#moments.values()].flat());
  }
}
