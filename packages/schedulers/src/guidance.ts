import { ArgumentError, checkAlive, checkRange, ShapeError } from '@sd/core';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { linearCombination } from './linear-combination';
import { checkSameShape } from './prediction';

/** What a model is conditioned on: a tensor `[N, ...]`, as of text, or a list of N class labels. N may be 1 for all. */
export type Condition = Tensor | readonly number[];

export type GuidanceOptions<C extends Condition> = {
  /** w: 1 is the conditional prediction itself, 0 the unconditional one, above 1 exaggerates their difference. */
  readonly scale: number;
  /** Borrowed. */
  readonly condition: C;
  /** Of the empty text, the class "none", or of what the image must not be (a negative prompt). Borrowed. */
  readonly uncondition: C;
  /**
   * The timesteps, both included, where the guidance acts; elsewhere the condition alone, in a call of x alone
   * (Kynkaanniemi et al. 2024, "Applying guidance in a limited interval improves sample and distribution quality").
   */
  readonly interval?: readonly [number, number];
  /**
   * phi, in [0, 1]: how far the guided prediction of each sample is scaled back to the standard deviation of the
   * conditional one (Lin et al. 2023, section 3.4; 0.7 there).
   */
  readonly rescale?: number;
};

/**
 * Classifier-free guidance (Ho and Salimans 2022): eps = eps_u + w (eps_c - eps_u). The model is called once per step
 * with twice the batch, unconditional half first; with w = 0 or 1, where one half would not count, once with x alone.
 *
 * docs/method.md section 2: w = 3.0 on ImageNet, 2.0 for COCO's FID, 5.0 for figure 8.
 * @param model borrows x and the condition, and gives a tensor of x's shape that the wrapper owns and disposes.
 * @returns a model for `Scheduler.sample`, asynchronous if the model is.
 * @throws {ArgumentError} on a scale that is not finite, an interval or rescale out of range and on missing conditions; at the call, on conditions of a batch
 * size that is neither 1 nor that of x. @throws {ShapeError} when the two conditions' shapes disagree beyond the batch.
 */
export function withGuidance<C extends Condition, X extends Tensor = Tensor4D>(
  model: (x: X, t: number, condition: C) => X,
  options: GuidanceOptions<C>,
): (x: X, t: number) => X;
export function withGuidance<C extends Condition, X extends Tensor = Tensor4D>(
  model: (x: X, t: number, condition: C) => Promise<X>,
  options: GuidanceOptions<C>,
): (x: X, t: number) => Promise<X>;
export function withGuidance<C extends Condition, X extends Tensor = Tensor4D>(
  model: (x: X, t: number, condition: C) => X | Promise<X>,
  options: GuidanceOptions<C>,
): (x: X, t: number) => X | Promise<X> {
  const { scale, condition, uncondition, interval = [-Infinity, Infinity], rescale = 0 } = options;
  if (!Number.isFinite(scale)) throw new ArgumentError('withGuidance', 'scale', 'a finite number', scale);
  checkRange('withGuidance', 'rescale', rescale, 0, 1);
  if (!(interval.length === 2 && interval[0] <= interval[1])) {
    throw new ArgumentError('withGuidance', 'interval', 'the lowest and the highest timestep', interval);
  }
  checkCondition('condition', condition);
  checkCondition('uncondition', uncondition);
  if (Array.isArray(condition) !== Array.isArray(uncondition)) {
    throw new ArgumentError('withGuidance', 'uncondition', 'a list if and only if condition is one', 'another kind');
  }
  if (!isLabels(condition) && !isLabels(uncondition)) checkSameFeatures(condition, uncondition);

  const scaleAt = (t: number) => (t >= interval[0] && t <= interval[1] ? scale : 1);

  return (x, t) => {
    const scaleNow = scaleAt(t);
    const halves = scaleNow === 0 ? [uncondition] : scaleNow === 1 ? [condition] : [uncondition, condition];
    checkAlive('withGuidance', 'x', x);
    checkBatch('condition', condition, x);
    checkBatch('uncondition', uncondition, x);
    const inputs = tf.tidy(() => ({
      x: tf.concat(new Array<Tensor>(halves.length).fill(x), 0), // [2N, ...] or [N, ...]
      condition: joined(halves, x.shape[0]),
    }));
    const finish = (output: X): X => {
      try {
        checkSameShape('withGuidance', "the model's output", output, inputs.x);
        return tf.tidy(() => guided(output, halves.length === 2 ? { scale, rescale } : null));
      } finally {
        tf.dispose([output, inputs]);
      }
    };
    const fail = (error: unknown): never => {
      tf.dispose(inputs);
      throw error;
    };
    let output: X | Promise<X>;
    try {
      output = model(inputs.x as X, t, inputs.condition as C);
    } catch (error) {
      return fail(error);
    }
    return output instanceof Promise ? output.then(finish, fail) : finish(output);
  };
}

/** [eps_u, eps_c] `[2N, ...]` to eps_u + scale (eps_c - eps_u) `[N, ...]`, rescaled; without options a copy. */
function guided<X extends Tensor>(output: X, options: { readonly scale: number; readonly rescale: number } | null): X {
  if (options === null) return tf.clone(output);
  const { scale, rescale } = options;
  const [uncondition, condition] = tf.split(output, 2, 0);
  const eps = linearCombination([1 - scale, uncondition], [scale, condition]);
  if (rescale === 0) return eps as X;
  // phi eps std(eps_c) / std(eps) + (1 - phi) eps
  const ratio = tf.sqrt(tf.div(varianceOfSamples(condition), varianceOfSamples(eps))); // [N, 1, ...]
  return tf.mul(eps, tf.add(tf.mul(ratio, rescale), 1 - rescale)) as X;
}

function varianceOfSamples(x: Tensor): Tensor {
  const axes = x.shape.slice(1).map((_, axis) => axis + 1);
  return tf.moments(x, axes, true).variance;
}

function isLabels(condition: Condition): condition is readonly number[] {
  return Array.isArray(condition);
}

function checkCondition(argument: string, condition: Condition): void {
  if (condition === undefined || condition === null) {
    throw new ArgumentError('withGuidance', argument, 'a tensor or a list of labels', condition);
  }
  if (isLabels(condition)) return;
  checkAlive('withGuidance', argument, condition);
  if (condition.rank === 0) throw new ShapeError('withGuidance', argument, '[N, ...]', condition.shape);
}

function checkSameFeatures(condition: Tensor, uncondition: Tensor): void {
  const features = condition.shape.slice(1);
  if (features.join() !== uncondition.shape.slice(1).join() || condition.rank !== uncondition.rank) {
    throw new ShapeError('withGuidance', 'uncondition', `[${['N', ...features].join(', ')}]`, uncondition.shape);
  }
}

function checkBatch(argument: string, condition: Condition, x: Tensor): void {
  if (!isLabels(condition)) checkAlive('withGuidance', argument, condition);
  const [batch] = x.shape;
  const count = isLabels(condition) ? condition.length : condition.shape[0];
  if (count !== 1 && count !== batch) {
    const expected = batch === 1 ? 'of 1 sample, as x is' : `of 1 or ${batch} samples, as x is`;
    throw new ArgumentError('withGuidance', argument, expected, count);
  }
}

/** The conditions of N samples each, one after the other. Call it in a tidy. */
function joined(conditions: readonly Condition[], batch: number): Tensor | number[] {
  if (conditions.every(isLabels)) {
    return conditions.flatMap((labels) =>
      labels.length === batch ? labels : new Array<number>(batch).fill(labels[0]),
    );
  }
  const tensors = (conditions as readonly Tensor[]).map((condition) =>
    condition.shape[0] === batch ? condition : tf.tile(condition, [batch, ...condition.shape.slice(1).map(() => 1)]),
  );
  return tf.concat(tensors, 0);
}
