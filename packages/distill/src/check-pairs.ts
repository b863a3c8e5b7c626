import { ArgumentError, checkInteger, SpectralDiffusionError } from '@sd/core';
import { type FeaturePair, OUTPUT_PAIR, type PairedTensors } from './feature-pair';

/** A pair whose `align` is decided. */
export type ResolvedPair = Required<FeaturePair>;

/** @throws {ArgumentError} without pairs, on a name that is empty, dotted or taken, and on channels that do not fit. */
export function resolvePairs(operation: string, pairs: readonly FeaturePair[]): ResolvedPair[] {
  if (pairs.length === 0) throw new ArgumentError(operation, 'pairs', 'at least one pair', pairs);
  const names = new Set<string>();
  return pairs.map((pair) => {
    const { name, teacherChannels, studentChannels, align = name !== OUTPUT_PAIR } = pair;
    // Dots separate the names of a state dict.
    if (!/^[^.]+$/.test(name)) throw new ArgumentError(operation, 'pairs', 'named, without dots', name);
    if (names.has(name)) throw new ArgumentError(operation, 'pairs', 'pairs of different names', name);
    names.add(name);
    checkInteger(operation, `teacherChannels of ${name}`, teacherChannels);
    checkInteger(operation, `studentChannels of ${name}`, studentChannels);
    if (!align && teacherChannels !== studentChannels) {
      const expected = `the teacher's ${teacherChannels} where the pair is not aligned`;
      throw new ArgumentError(operation, `studentChannels of ${name}`, expected, studentChannels);
    }
    return { name, teacherChannels, studentChannels, align };
  });
}

/** @throws {SpectralDiffusionError} that lists the names without a tensor. */
export function checkComplete(
  operation: string,
  argument: string,
  names: readonly string[],
  tensors: PairedTensors,
): void {
  const missing = names.filter((name) => !Object.hasOwn(tensors, name));
  if (missing.length > 0) {
    const present = Object.keys(tensors).join(', ') || 'nothing';
    throw new SpectralDiffusionError(`${operation}: ${argument} lacks ${missing.join(', ')}; it has ${present}`);
  }
}
