import { checkRange, checkShape, type Dimension, ShapeError } from '@sd/core';
import { Conv2d, Module } from '@sd/nn';
import { type SpectralWeightOptions, spectralWeight } from '@sd/spectral-loss';
import type { Scalar, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkComplete, type ResolvedPair, resolvePairs } from './check-pairs';
import { constant } from './constant';
import type { FeaturePair, PairedTensors } from './feature-pair';
import { checkReduction, type DistillationReduction, squaredError, squaredSpectralError } from './squared-error';

export type DistillationConfig = {
  /** Pairs that are compared: `output`, and those of `pairFeatures`. */
  readonly pairs: readonly FeaturePair[];
  /** Default 0.1, the paper's. A part of weight 0 is reported, but not differentiated. */
  readonly lambdaSpatial?: number;
  /** Default 0.1, the paper's. */
  readonly lambdaFrequency?: number;
  /** Exponent of the clean image's spectrum, in [-10, 10]; 0 weighs all frequencies alike. Default -1, the paper's. */
  readonly alpha?: number;
  /** Default 'mean', so that the lambdas keep their meaning at any size of the tensors. */
  readonly reduction?: DistillationReduction;
  /** What the paper leaves open about the transform and its weights; see `spectralWeight`. */
  readonly spectrum?: Omit<SpectralWeightOptions, 'alpha'>;
};

/** Parts of the loss before their lambdas. */
export type DistillationParts = {
  /** the squared difference of teacher and student. */
  readonly spatial: Scalar;
  /** the weighted squared difference of their spectra. */
  readonly frequency: Scalar;
};

export type DistillationLoss = DistillationParts & {
  /** lambdaSpatial spatial + lambdaFrequency frequency: what is added to the diffusion loss. */
  readonly total: Scalar;
  /** The parts of each pair, of which `spatial` and `frequency` are the sums. */
  readonly pairs: Readonly<Record<string, DistillationParts>>;
};

const NAME = 'SpectrumAwareDistillation';

/**
 * SA-Distillation, the part that a teacher gives (Yang et al. 2023; paper section "Spectrum-aware distillation"):
 *   L_spatial = sum_i ||T_i - S_i||^2
 *   L_freq    = sum_i w_i ||F(T_i) - F(S_i)||^2,   w_i = |F(resize(x_0))|^alpha
 * over pairs i of a teacher's and a student's tensors of the same size, each student's brought to the teacher's
 * channels by one trainable 1x1 convolution. The outputs have the same meaning in both models and are compared as they
 * are. The teacher's tensors and x_0 are constants.
 *
 * Its parameters, `<pair>.weight` and `<pair>.bias`, are trained with the student's and thrown away afterwards.
 */
export class SpectrumAwareDistillation extends Module {
  readonly config: Required<DistillationConfig>;
  readonly #pairs: readonly ResolvedPair[];
  readonly #alignments = new Map<string, Conv2d>();

  /**
   * @throws {ArgumentError} without pairs, on names that are empty, dotted or taken, on channels that differ where
   * nothing aligns them, and on other options.
   */
  constructor(config: DistillationConfig) {
    super();
    const { pairs, lambdaSpatial = 0.1, lambdaFrequency = 0.1, alpha = -1, reduction = 'mean', spectrum = {} } = config;
    checkRange(NAME, 'lambdaSpatial', lambdaSpatial, 0, Number.POSITIVE_INFINITY);
    checkRange(NAME, 'lambdaFrequency', lambdaFrequency, 0, Number.POSITIVE_INFINITY);
    checkRange(NAME, 'alpha', alpha, -10, 10);
    checkReduction(NAME, reduction);
    this.#pairs = resolvePairs(NAME, pairs);
    this.config = { pairs: this.#pairs, lambdaSpatial, lambdaFrequency, alpha, reduction, spectrum };
    for (const { name, studentChannels, teacherChannels, align } of this.#pairs) {
      if (!align) continue;
      const alignment = new Conv2d({ inChannels: studentChannels, outChannels: teacherChannels, kernel: 1 });
      this.#alignments.set(name, this.child(name, alignment));
    }
  }

  /** Names of the pairs, in order. */
  get pairs(): readonly string[] {
    return this.#pairs.map(({ name }) => name);
  }

  /**
   * @param teacher the teacher's tensors by pair, `[N, H, W, teacherChannels]`; others are ignored. Borrowed.
   * @param student the student's, `[N, H, W, studentChannels]`, to which the gradient flows. Borrowed.
   * @param x0 the clean images or latents `[N, H0, W0, C]` of which the spectrum weighs the frequencies. Borrowed.
   * @returns scalars owned by the caller; `tf.dispose` of the whole frees them.
   * @throws {SpectralDiffusionError} that lists pairs without a tensor. @throws {ShapeError}
   * @throws {ArgumentError} on a disposed tensor, and on options of `spectrum` that `spectralWeight` refuses.
   */
  loss(teacher: PairedTensors, student: PairedTensors, x0: Tensor4D): DistillationLoss {
    this.#check(teacher, student, x0);
    const { lambdaSpatial, lambdaFrequency, alpha, reduction, spectrum } = this.config;
    return tf.tidy(() => {
      const weights = new Map<string, Tensor4D>(); // pairs of the same size share one
      const weightOf = ([, height, width]: readonly number[]): Tensor4D => {
        const size = `${height}x${width}`;
        const weight = weights.get(size) ?? spectralWeight(x0, { ...spectrum, alpha, size: [height!, width!] });
        weights.set(size, weight);
        return weight;
      };
      const pairs: Record<string, DistillationParts> = {};
      for (const { name } of this.#pairs) {
        const target = constant(teacher[name] as Tensor4D);
        const prediction = this.#aligned(name, student[name] as Tensor4D);
        const spectral = { weight: weightOf(target.shape), norm: spectrum.norm };
        pairs[name] = {
          spatial: squaredError(prediction, target, reduction),
          frequency: squaredSpectralError(prediction, target, reduction, spectral),
        };
      }
      const spatial = tf.addN(Object.values(pairs).map((parts) => parts.spatial));
      const frequency = tf.addN(Object.values(pairs).map((parts) => parts.frequency));
      return { total: weighted([lambdaSpatial, spatial], [lambdaFrequency, frequency]), spatial, frequency, pairs };
    });
  }

  #aligned(name: string, student: Tensor4D): Tensor4D {
    return this.#alignments.get(name)?.forward(student) ?? student;
  }

  #check(teacher: PairedTensors, student: PairedTensors, x0: Tensor4D): void {
    const operation = `${NAME}.loss`;
    checkComplete(operation, 'teacher', this.pairs, teacher);
    checkComplete(operation, 'student', this.pairs, student);
    for (const { name, teacherChannels, studentChannels } of this.#pairs) {
      const target = teacher[name] as Tensor4D;
      checkImages(operation, `teacher ${name}`, target, ['N', 'H', 'W', teacherChannels]);
      const [n, h, w] = target.shape;
      checkShape(operation, `student ${name}`, student[name] as Tensor4D, [n, h, w, studentChannels]);
      // With a weight for each channel, those of x0 and of the pair are the same ones; a gray x0 weighs all alike.
      const perChannel = this.config.spectrum.channels === 'none' && x0.shape[3] !== 1;
      checkImages(operation, 'x0', x0, [n, 'H', 'W', perChannel ? teacherChannels : 'C']);
    }
  }
}

/** `SpectrumAwareDistillation` by a function call. */
export function spectrumAwareDistillation(config: DistillationConfig): SpectrumAwareDistillation {
  return new SpectrumAwareDistillation(config);
}

function checkImages(operation: string, argument: string, x: Tensor4D, expected: readonly Dimension[]): void {
  checkShape(operation, argument, x, expected);
  if (x.size === 0) {
    throw new ShapeError(operation, argument, `[${expected.join(', ')}] without an empty dimension`, x.shape);
  }
}

/** What has weight 0 is left out of the graph: its gradient would cost as much as any. */
function weighted(...terms: readonly (readonly [number, Scalar])[]): Scalar {
  const counted = terms.filter(([lambda]) => lambda > 0).map(([lambda, part]) => tf.mul<Scalar>(part, lambda));
  return counted.length > 0 ? tf.addN(counted) : tf.scalar(0);
}
