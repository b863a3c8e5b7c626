import { ArgumentError, checkRange, checkShape, SpectralDiffusionError } from '@sd/core';
import { Conv2d, Module } from '@sd/nn';
import { type SpectralWeightOptions, spectralLoss } from '@sd/spectral-loss';
import type { Scalar, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { FeaturePair } from './feature-pair';
import { OUTPUT_PAIR } from './feature-pair';

export type DistillationConfig = {
  /** Pairs that are compared; `pairFeatures` makes them. A pair of equal channels is aligned too, unless `output`. */
  readonly pairs: readonly FeaturePair[];
  readonly lambdaSpatial?: number;
  readonly lambdaFrequency?: number;
  /** Exponent of the clean image's spectrum; 0 weighs all frequencies alike. */
  readonly alpha?: number;
  /** What the paper leaves open about the weights; see `spectralWeight`. */
  readonly spectrum?: Omit<SpectralWeightOptions, 'alpha'>;
};

/** Tensors `[N, H, W, C]` by the names of the pairs. */
export type PairedTensors = Readonly<Record<string, Tensor4D>>;

export type DistillationLoss = {
  /** lambdaSpatial spatial + lambdaFrequency frequency: what is added to the diffusion loss. */
  readonly total: Scalar;
  /** sum over the pairs of the mean squared difference. */
  readonly spatial: Scalar;
  /** sum over the pairs of the mean weighted squared difference of the spectra. */
  readonly frequency: Scalar;
};

/**
 * SA-Distillation, the part that a teacher gives (Yang et al. 2023; paper section "Spectrum-aware distillation"):
 *   L_spatial = sum_i ||T_i - S_i||^2
 *   L_freq    = sum_i w_i ||F(T_i) - F(S_i)||^2,   w_i = |F(resize(x_0))|^alpha
 * over pairs i of a teacher's and a student's tensors of the same size, each student's brought to the teacher's
 * channels by one trainable 1x1 convolution. The outputs have the same meaning in both models and are compared as they
 * are. Means instead of sums over a tensor, so that the lambdas keep their meaning at any size.
 *
 * Its parameters, `<pair>.weight` and `<pair>.bias`, are trained with the student's and thrown away afterwards.
 */
export class SpectrumAwareDistillation extends Module {
  readonly #alignments = new Map<string, Conv2d | undefined>();
  readonly #config: Required<DistillationConfig>;

  /** @throws {ArgumentError} without pairs, on a pair named twice, an output of differing channels, or wrong weights. */
  constructor(config: DistillationConfig) {
    super();
    this.#config = { lambdaSpatial: 0.1, lambdaFrequency: 0.1, alpha: -1, spectrum: {}, ...config };
    const { pairs, lambdaSpatial, lambdaFrequency } = this.#config;
    checkRange('SpectrumAwareDistillation', 'lambdaSpatial', lambdaSpatial, 0, Number.MAX_VALUE);
    checkRange('SpectrumAwareDistillation', 'lambdaFrequency', lambdaFrequency, 0, Number.MAX_VALUE);
    if (pairs.length === 0) throw new ArgumentError('SpectrumAwareDistillation', 'pairs', 'at least one pair', pairs);
    for (const { name, studentChannels, teacherChannels } of pairs) {
      if (this.#alignments.has(name)) {
        throw new ArgumentError('SpectrumAwareDistillation', 'pairs', 'pairs of different names', name);
      }
      if (name === OUTPUT_PAIR) {
        if (studentChannels !== teacherChannels) {
          throw new ArgumentError(
            'SpectrumAwareDistillation',
            'pairs',
            `outputs of the teacher's ${teacherChannels} channels`,
            studentChannels,
          );
        }
        this.#alignments.set(name, undefined);
      } else {
        const alignment = new Conv2d({ inChannels: studentChannels, outChannels: teacherChannels, kernel: 1 });
        this.#alignments.set(name, this.child(name, alignment));
      }
    }
  }

  /** Names of the pairs, in order. */
  get pairs(): readonly string[] {
    return [...this.#alignments.keys()];
  }

  /**
   * @param teacher the teacher's tensors by pair; constants. Borrowed.
   * @param student the student's, differentiable. Borrowed.
   * @param x0 the clean images or latents `[N, H, W, C]` of which the spectrum weighs the frequencies. Borrowed.
   * @returns scalars owned by the caller.
   * @throws {SpectralDiffusionError} that lists pairs without a tensor. @throws {ShapeError}
   */
  loss(teacher: PairedTensors, student: PairedTensors, x0: Tensor4D): DistillationLoss {
    this.#checkPairs('teacher', teacher);
    this.#checkPairs('student', student);
    const { lambdaSpatial, lambdaFrequency, alpha, spectrum } = this.#config;
    return tf.tidy(() => {
      const spatial: Scalar[] = [];
      const frequency: Scalar[] = [];
      for (const [name, alignment] of this.#alignments) {
        const target = teacher[name];
        const prediction = alignment ? alignment.forward(student[name]) : student[name];
        checkShape('SpectrumAwareDistillation.loss', `student ${name}`, prediction, target.shape);
        spatial.push(tf.mean(tf.square(tf.sub(target, prediction))));
        frequency.push(spectralLoss(prediction, target, { ...spectrum, reference: x0, alpha }));
      }
      const spatialSum = tf.addN(spatial);
      const frequencySum = tf.addN(frequency);
      const total = tf.add(tf.mul(spatialSum, lambdaSpatial), tf.mul(frequencySum, lambdaFrequency)) as Scalar;
      return { total, spatial: spatialSum, frequency: frequencySum };
    });
  }

  #checkPairs(argument: string, tensors: PairedTensors): void {
    const missing = this.pairs.filter((name) => !tensors[name]);
    if (missing.length > 0) {
      throw new SpectralDiffusionError(
        `SpectrumAwareDistillation.loss: ${argument} lacks ${missing.join(', ')}; it has ${Object.keys(tensors).join(', ') || 'nothing'}`,
      );
    }
  }
}

/** `SpectrumAwareDistillation` by a function call. */
export function spectrumAwareDistillation(config: DistillationConfig): SpectrumAwareDistillation {
  return new SpectrumAwareDistillation(config);
}
