import type { Tensor4D } from '@tensorflow/tfjs-core';

/** A teacher's tensor and the student's of the same height and width. */
export type FeaturePair = {
  /** Name in the log and of the alignment in the state dict; must hold no dot. */
  readonly name: string;
  readonly teacherChannels: number;
  readonly studentChannels: number;
  /**
   * Is the student's tensor brought to the teacher's channels by a trained 1x1 convolution? Default: features are, even
   * where the channels agree, since theirs have no common meaning; the pair `output` is not.
   */
  readonly align?: boolean;
};

/** Tensors `[N, H, W, C]` by the names of the pairs. */
export type PairedTensors = Readonly<Record<string, Tensor4D>>;

/** The pair of the models' outputs has this name; they mean the same in both models. */
export const OUTPUT_PAIR = 'output';

/** A tensor that a model offers for distillation; `featureShapes` of @sd/unet lists a UNet's. */
export type NamedShape = {
  readonly name: string;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
};

/**
 * Pairs the tensors that two models have under the same name and size.
 * @returns pairs in the student's order; those that only one model has, or has at another size, are left out.
 */
export function pairFeatures(teacher: readonly NamedShape[], student: readonly NamedShape[]): FeaturePair[] {
  return student.flatMap(({ name, channels, height, width }) => {
    const match = teacher.find((shape) => shape.name === name && shape.height === height && shape.width === width);
    return match ? [{ name: pairName(name), teacherChannels: match.channels, studentChannels: channels }] : [];
  });
}

/** A feature's name as the name of a child module, which must not hold dots. */
export function pairName(feature: string): string {
  return feature.replaceAll('.', '_');
}
