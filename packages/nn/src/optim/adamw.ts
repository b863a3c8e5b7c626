import { int32View, type StateDict, type TensorView, toInt32 } from '@sd/checkpoint';
import { ArgumentError, checkRange, checkShape, dispatch } from '@sd/core';
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from '../parameter';
import { checkState } from './check-state';
import { Slots } from './slots';

/**
 * Kernel name that a backend may register: {parameter, gradient, expAvg, expAvgSq, gradientScale} with
 * {decay, beta1, beta2, stepSize, denominatorScale, eps} -> [parameter, expAvg, expAvgSq], as in `adamwStep`.
 */
export const ADAMW_KERNEL = 'AdamW';

export type AdamWConfig = {
  readonly learningRate?: number;
  readonly betas?: readonly [number, number];
  readonly eps?: number;
  readonly weightDecay?: number;
};

export type AdamWStepOptions = {
  /** Learning rate of this step; the configuration's by default. */
  readonly learningRate?: number;
  /** Scalar that multiplies the gradients, such as `clipFactor`'s. Borrowed. */
  readonly gradientScale?: Scalar;
};

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2019), value for value torch.optim.AdamW:
 *   p <- p (1 - lr wd);  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
 *   p <- p - lr / (1 - b1^k) m / (sqrt(v) / sqrt(1 - b2^k) + eps)
 * k counts the gradients that a parameter has had. State is kept by dotted name, so that a subset of parameters never
 * meets another's moments.
 */
export class AdamW {
  readonly #config: Required<AdamWConfig>;
  readonly #expAvg: Slots;
  readonly #expAvgSq: Slots;
  /** k of each parameter. */
  readonly #steps = new Map<string, number>();
  #step = 0;

  /** @param parameters from `Module.parameters()`. They stay the module's. @throws {ArgumentError} */
  constructor(
    private readonly parameters: ReadonlyMap<string, Parameter>,
    config: AdamWConfig = {},
  ) {
    this.#config = { learningRate: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 1e-2, ...config };
    const { learningRate, betas, eps, weightDecay } = this.#config;
    checkRange('AdamW', 'learningRate', learningRate, 0, Number.MAX_VALUE);
    checkRange('AdamW', 'betas[0]', betas[0], 0, 1 - Number.EPSILON);
    checkRange('AdamW', 'betas[1]', betas[1], 0, 1 - Number.EPSILON);
    checkRange('AdamW', 'eps', eps, 0, Number.MAX_VALUE);
    checkRange('AdamW', 'weightDecay', weightDecay, 0, Number.MAX_VALUE);
    const zero = (parameter: Parameter) => tf.zeros([...parameter.shape]);
    for (const name of parameters.keys()) this.#steps.set(name, 0);
    this.#expAvg = new Slots(parameters, zero);
    this.#expAvgSq = new Slots(parameters, zero);
  }

  /** Number of steps taken. */
  get step(): number {
    return this.#step;
  }

  /**
   * One step. Parameters without a gradient are left alone, as in torch.
   * @param gradients by the parameters' names. Borrowed.
   * @throws {ArgumentError} on a gradient for a name that is not among the parameters.
   * @throws {ShapeError} on a gradient that is not of its parameter's shape. Nothing is changed in either case.
   */
  update(gradients: ReadonlyMap<string, Tensor>, options: AdamWStepOptions = {}): void {
    for (const [name, gradient] of gradients) {
      const parameter = this.parameters.get(name);
      if (!parameter) throw new ArgumentError('AdamW.update', 'gradients', 'of known parameters', name);
      checkShape('AdamW.update', `gradient of ${name}`, gradient, parameter.shape);
    }
    const { betas, eps, weightDecay } = this.#config;
    const learningRate = options.learningRate ?? this.#config.learningRate;
    this.#step++;
    const gradientScale = options.gradientScale ?? tf.scalar(1);
    for (const [name, gradient] of gradients) {
      const parameter = this.parameters.get(name) as Parameter;
      const step = (this.#steps.get(name) as number) + 1;
      this.#steps.set(name, step);
      const attributes = {
        decay: 1 - learningRate * weightDecay,
        beta1: betas[0],
        beta2: betas[1],
        stepSize: learningRate / (1 - betas[0] ** step),
        denominatorScale: 1 / Math.sqrt(1 - betas[1] ** step),
        eps,
      };
      const inputs = {
        parameter: parameter.value as Tensor,
        gradient,
        expAvg: this.#expAvg.get(name),
        expAvgSq: this.#expAvgSq.get(name),
        gradientScale,
      };
      const [value, expAvg, expAvgSq] = dispatch(ADAMW_KERNEL, inputs, attributes, () => adamwStep(inputs, attributes));
      parameter.assign(value);
      value.dispose();
      this.#expAvg.set(name, expAvg);
      this.#expAvgSq.set(name, expAvgSq);
    }
    if (gradientScale !== options.gradientScale) gradientScale.dispose();
  }

  /**
   * `step`, `exp_avg.*` and `exp_avg_sq.*` (torch's names), the latter in PyTorch's layouts; `step.*` for parameters
   * that have had fewer gradients than there were steps.
   */
  async stateDict(): Promise<Map<string, TensorView>> {
    const late = [...this.#steps].filter(([, step]) => step !== this.#step);
    return new Map([
      ['step', stepView(this.#step)],
      ...late.map(([name, step]): [string, TensorView] => [`step.${name}`, stepView(step)]),
      ...(await this.#expAvg.stateDict('exp_avg.')),
      ...(await this.#expAvgSq.stateDict('exp_avg_sq.')),
    ]);
  }

  /**
   * Takes what `stateDict` gave, all or nothing.
   * @throws {SpectralDiffusionError} that lists what is missing or of another shape.
   */
  loadStateDict(state: StateDict): void {
    const moments = [...this.#expAvg.expected('exp_avg.'), ...this.#expAvgSq.expected('exp_avg_sq.')];
    checkState('AdamW.loadStateDict', state, [['step', [1]], ...moments]);
    this.#expAvg.loadStateDict('exp_avg.', state);
    this.#expAvgSq.loadStateDict('exp_avg_sq.', state);
    const step = state.get('step') as TensorView;
    this.#step = toInt32(step)[0];
    for (const name of this.parameters.keys()) this.#steps.set(name, toInt32(state.get(`step.${name}`) ?? step)[0]);
  }

  dispose(): void {
    this.#expAvg.dispose();
    this.#expAvgSq.dispose();
  }
}

function stepView(step: number): TensorView {
  return int32View(Int32Array.of(step), [1]);
}

type AdamWInputs = {
  readonly parameter: Tensor;
  readonly gradient: Tensor;
  readonly expAvg: Tensor;
  readonly expAvgSq: Tensor;
  readonly gradientScale: Tensor;
};

type AdamWAttributes = {
  readonly decay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly stepSize: number;
  readonly denominatorScale: number;
  readonly eps: number;
};

function adamwStep(inputs: AdamWInputs, attributes: AdamWAttributes): Tensor[] {
  const { decay, beta1, beta2, stepSize, denominatorScale, eps } = attributes;
  const gradient = tf.mul(inputs.gradient, inputs.gradientScale);
  const expAvg = tf.add(tf.mul(inputs.expAvg, beta1), tf.mul(gradient, 1 - beta1));
  const expAvgSq = tf.add(tf.mul(inputs.expAvgSq, beta2), tf.mul(tf.square(gradient), 1 - beta2));
  const denominator = tf.add(tf.mul(tf.sqrt(expAvgSq), denominatorScale), eps);
  const change = tf.mul(tf.div(expAvg, denominator), stepSize);
  return [tf.sub(tf.mul(inputs.parameter, decay), change), expAvg, expAvgSq];
}
