import { ArgumentError } from '@sd/core';
import { distance } from 'fastest-levenshtein';
import { waveletNames } from './wavelet-names';

/** How many names an error suggests. */
const SUGGESTIONS = 3;

/** @throws {ArgumentError} on an unknown wavelet, with the names that are nearest. */
export function checkWavelet(operation: string, argument: string, name: string): void {
  if ((waveletNames as readonly string[]).includes(name)) return;
  const nearest = waveletNames
    .map((candidate) => ({ candidate, edits: distance(String(name).toLowerCase(), candidate) }))
    .sort((a, b) => a.edits - b.edits)
    .slice(0, SUGGESTIONS)
    .map(({ candidate }) => `"${candidate}"`);
  throw new ArgumentError(operation, argument, `one of waveletNames, such as ${nearest.join(', ')}`, name);
}
