import * as tf from '@tensorflow/tfjs-core';

export type GradientOptions = {
  /** Length of the steps, in the units of the inputs (every element of a direction is +-step). */
  readonly step?: number;
  /** Allowed error of a directional derivative, relative to the norm of the gradient. */
  readonly tolerance?: number;
  /** Random directions per input; inputs of at most 32 elements are checked coordinate by coordinate instead. */
  readonly directions?: number;
  readonly seed?: number;
};

type Input = tf.Tensor;

/**
 * Asserts that the gradient of `f` equals its finite differences, for every input in turn. An output that is not a
 * scalar is first contracted with fixed random weights. The differences are central ones at two step lengths, joined
 * by Richardson's extrapolation and summed in double precision, so that only the float32 noise of `f` itself remains.
 * @param inputs Borrowed; float32.
 */
export async function expectGradient(
  f: (...inputs: Input[]) => tf.Tensor,
  inputs: Input | readonly Input[],
  { step = 0.02, tolerance = 2e-3, directions = 3, seed = 1 }: GradientOptions = {},
): Promise<void> {
  const xs = inputs instanceof tf.Tensor ? [inputs] : [...inputs];
  const random = mulberry32(seed);
  const y = tf.tidy(() => f(...xs));
  const [shape, size] = [y.shape, y.size];
  y.dispose();
  const weights = Float32Array.from({ length: size }, () => (size === 1 ? 1 : 2 * random() - 1));

  const gradients = tf.tidy(() => {
    const contracted = (...args: Input[]) => tf.sum(tf.mul(f(...args), tf.tensor(weights, shape)));
    return tf.grads(contracted)(xs);
  });
  try {
    for (const [index, x] of xs.entries()) {
      const gradient = gradients[index]!;
      if (String(gradient.shape) !== String(x.shape)) {
        throw new Error(`gradient of input ${index} has shape [${gradient.shape}], the input [${x.shape}]`);
      }
      const g = Float32Array.from(await gradient.data());
      if (g.some((value) => !Number.isFinite(value))) throw new Error(`gradient of input ${index} is not finite`);
      const norm = Math.sqrt(g.reduce((sum, value) => sum + value * value, 0));
      const every = x.size <= 32;
      const count = every ? x.size : directions;
      for (let n = 0; n < count; n++) {
        const direction = Float32Array.from(g, (_, i) => (every ? Number(i === n) : random() < 0.5 ? -1 : 1));
        const analytic = g.reduce((sum, value, i) => sum + value * direction[i]!, 0);
        const along = async (h: number) => centralDifference(f, xs, index, direction, h, weights);
        const [wide, narrow] = [await along(step), await along(step / 2)];
        const numeric = (4 * narrow.slope - wide.slope) / 3;
        const noise = 4 * narrow.noise;
        if (norm > 0 && noise > tolerance * norm) {
          throw new Error(`gradient of input ${index}: |gradient| ${norm} drowns in rounding of ${noise}; raise step`);
        }
        const error = Math.abs(numeric - analytic);
        if (!(error <= tolerance * norm + noise)) {
          throw new Error(
            `gradient of input ${index} along ${every ? `element ${n}` : `random direction ${n}`}: ${analytic}, ` +
              `finite differences ${numeric}; error ${(error / norm).toExponential(2)} of |gradient| = ${norm}, ` +
              `allowed ${tolerance} plus rounding ${(noise / norm).toExponential(2)}`,
          );
        }
      }
    }
  } finally {
    tf.dispose(gradients);
  }
}

async function centralDifference(
  f: (...inputs: Input[]) => tf.Tensor,
  xs: readonly Input[],
  index: number,
  direction: Float32Array,
  h: number,
  weights: Float32Array,
): Promise<{ slope: number; noise: number }> {
  const at = async (sign: number) => {
    const y = tf.tidy(() => {
      const moved = xs.map((x, i) => (i === index ? tf.add(x, tf.mul(tf.tensor(direction, x.shape), sign * h)) : x));
      return f(...moved);
    });
    const values = await y.data();
    y.dispose();
    return values;
  };
  const [plus, minus] = [await at(1), await at(-1)];
  let difference = 0;
  let squares = 0;
  for (let i = 0; i < weights.length; i++) {
    difference += weights[i]! * (plus[i]! - minus[i]!);
    squares += (weights[i]! * plus[i]!) ** 2;
  }
  // Each output is rounded to float32 (2^-24 relative, a few times over in a chain of operations), independently.
  return { slope: difference / (2 * h), noise: (2 ** -24 * Math.sqrt(squares)) / h };
}

function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
