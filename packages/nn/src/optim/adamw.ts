import { int32View, type StateDict, type TensorView, toInt32 } from '@sd/checkpoint';
import { ArgumentError, checkRange, checkShape, dispatch, hasKernel } from '@sd/core';
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from '../parameter';
import { checkState } from './check-state';
import { checkMaxNorm, clipFactor, globalNorm } from './clip';
import type { ExponentialMovingAverage } from './ema';
import { type AdamWChunk, MULTI_TENSOR_ADAMW_KERNEL, multiTensorAdamW } from './multi-tensor-adamw';
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

type StepOptions = {
  /** Learning rate of this step; the configuration's by default. */
  readonly learningRate?: number;
  /** Also updated, as by its own `update` after the step; where the backend can, in the same pass. */
  readonly average?: ExponentialMovingAverage;
};

export type AdamWStepOptions = StepOptions & {
  /** Scalar that multiplies the gradients, such as `clipFactor`'s. Borrowed. */
  readonly gradientScale?: Scalar;
};

export type AdamWClippedStepOptions = StepOptions & {
  /** Gradients of a larger global norm are brought to this one. */
  readonly maxNorm: number;
};

/** Values of a chunk at most: 64 MiB, half of what a WebGPU device must be able to bind. */
const CHUNK_VALUES = 2 ** 24;

type NamedChunk = {
  readonly step: number;
  readonly names: string[];
  /** The parameters' names in the average, where they are in it. */
  readonly averageNames: string[];
  size: number;
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
    this.#checkGradients('AdamW.update', gradients);
    const gradientScale = options.gradientScale ?? tf.scalar(1);
    if (hasKernel(MULTI_TENSOR_ADAMW_KERNEL)) this.#updateTogether(gradients, options, gradientScale, 0);
    else this.#updateEach(gradients, options, gradientScale);
    if (gradientScale !== options.gradientScale) gradientScale.dispose();
  }

  /**
   * `globalNorm`, `clipFactor` and `update` in one, which some backends do in a few passes over all parameters together.
   * @param gradients by the parameters' names. Borrowed.
   * @returns the gradients' global norm before clipping. Owned by the caller.
   * @throws as `update`, and {ArgumentError} unless maxNorm > 0.
   */
  clippedUpdate(gradients: ReadonlyMap<string, Tensor>, options: AdamWClippedStepOptions): Scalar {
    this.#checkGradients('AdamW.clippedUpdate', gradients);
    checkMaxNorm('AdamW.clippedUpdate', options.maxNorm);
    if (gradients.size > 0 && hasKernel(MULTI_TENSOR_ADAMW_KERNEL)) {
      return this.#updateTogether(gradients, options, undefined, options.maxNorm) as Scalar;
    }
    const norm = globalNorm(gradients.values());
    const gradientScale = clipFactor(norm, options.maxNorm);
    this.update(gradients, { ...options, gradientScale });
    gradientScale.dispose();
    return norm;
  }

  #checkGradients(operation: string, gradients: ReadonlyMap<string, Tensor>): void {
    for (const [name, gradient] of gradients) {
      const parameter = this.parameters.get(name);
      if (!parameter) throw new ArgumentError(operation, 'gradients', 'of known parameters', name);
      checkShape(operation, `gradient of ${name}`, gradient, parameter.shape);
    }
  }

  /** lr / (1 - b1^k) and 1 / sqrt(1 - b2^k) for the k-th gradient. */
  #stepFactors(step: number, learningRate: number): { readonly stepSize: number; readonly denominatorScale: number } {
    const { betas } = this.#config;
    return {
      stepSize: learningRate / (1 - betas[0] ** step),
      denominatorScale: 1 / Math.sqrt(1 - betas[1] ** step),
    };
  }

  #updateEach(
    gradients: ReadonlyMap<string, Tensor>,
    { learningRate = this.#config.learningRate, average }: StepOptions,
    gradientScale: Scalar,
  ): void {
    const { betas, eps, weightDecay } = this.#config;
    this.#step++;
    for (const [name, gradient] of gradients) {
      const parameter = this.parameters.get(name) as Parameter;
      const step = (this.#steps.get(name) as number) + 1;
      this.#steps.set(name, step);
      const attributes = {
        decay: 1 - learningRate * weightDecay,
        beta1: betas[0],
        beta2: betas[1],
        ...this.#stepFactors(step, learningRate),
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
    average?.update();
  }

  #updateTogether(
    gradients: ReadonlyMap<string, Tensor>,
    { learningRate = this.#config.learningRate, average }: StepOptions,
    gradientScale: Scalar | undefined,
    maxNorm: number,
  ): Scalar | undefined {
    const { betas, eps, weightDecay } = this.#config;
    this.#step++;
    const chunks = this.#chunks(gradients.keys(), average);
    const averaged = chunks.filter(({ averageNames }) => averageNames.length > 0);
    const groups = chunks.map(({ names }) => names);
    const moments = [this.#expAvg.packed(groups), this.#expAvgSq.packed(groups)] as const;
    const averages = average?.beginUpdate(averaged.map(({ averageNames }) => averageNames));
    const inputs = chunks.map(({ names, averageNames, step }, c): AdamWChunk => {
      return {
        parameters: names.map((name) => (this.parameters.get(name) as Parameter).value),
        gradients: names.map((name) => gradients.get(name) as Tensor),
        expAvg: moments[0][c],
        expAvgSq: moments[1][c],
        average: averageNames.length > 0 ? averages?.packed[averaged.indexOf(chunks[c])] : undefined,
        ...this.#stepFactors(step, learningRate),
      };
    });
    const result = multiTensorAdamW(inputs, gradientScale, {
      decay: 1 - learningRate * weightDecay,
      beta1: betas[0],
      beta2: betas[1],
      eps,
      averageRate: averages?.rate ?? 0,
      maxNorm,
    });
    for (const [i, name] of groups.flat().entries()) {
      (this.parameters.get(name) as Parameter).assign(result.parameters[i]);
      result.parameters[i].dispose();
      this.#steps.set(name, (this.#steps.get(name) as number) + 1);
    }
    this.#expAvg.setPacked(result.chunks.map(({ expAvg }) => expAvg));
    this.#expAvgSq.setPacked(result.chunks.map(({ expAvgSq }) => expAvgSq));
    average?.endUpdate(result.chunks.flatMap((chunk) => chunk.average ?? []));
    return result.norm;
  }

  /** Parameters that a kernel can take together: with as many gradients, this one included, and with or without average. */
  #chunks(names: Iterable<string>, average: ExponentialMovingAverage | undefined): NamedChunk[] {
    const chunks: NamedChunk[] = [];
    for (const name of names) {
      const parameter = this.parameters.get(name) as Parameter;
      const step = (this.#steps.get(name) as number) + 1;
      const averageName = average?.nameOf(parameter);
      const fits = (chunk: NamedChunk) =>
        chunk.step === step &&
        chunk.averageNames.length > 0 === (averageName !== undefined) &&
        chunk.size + parameter.size <= CHUNK_VALUES;
      let chunk = chunks.find(fits);
      if (!chunk) {
        chunk = { step, names: [], averageNames: [], size: 0 };
        chunks.push(chunk);
      }
      chunk.names.push(name);
      if (averageName !== undefined) chunk.averageNames.push(averageName);
      chunk.size += parameter.size;
    }
    return chunks;
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
