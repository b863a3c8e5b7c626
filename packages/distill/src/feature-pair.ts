/** A teacher's tensor and the student's of the same height and width. */
export type FeaturePair = {
  /** Name in the log and of the alignment in the state dict; must hold no dot. */
  readonly name: string;
  readonly teacherChannels: number;
  readonly studentChannels: number;
};

/** The pair of the models' outputs has this name; its channels agree, so it needs no alignment. */
export const OUTPUT_PAIR = 'output';

/**
 * Pairs the tensors that two models have under the same name and size: `featureShapes` of @sd/unet gives both lists.
 * @param teacher height, width and channels by name. @param student likewise.
 * @returns pairs in the student's order; names that only one model has are left out.
 */
export function pairFeatures(
  teacher: Readonly<Record<string, readonly [number, number, number]>>,
  student: Readonly<Record<string, readonly [number, number, number]>>,
): FeaturePair[] {
  return Object.entries(student).flatMap(([name, [height, width, studentChannels]]) => {
    const shape = teacher[name];
    if (shape?.[0] !== height || shape[1] !== width) return [];
    return [{ name: name.replaceAll('.', '_'), teacherChannels: shape[2], studentChannels }];
  });
}
