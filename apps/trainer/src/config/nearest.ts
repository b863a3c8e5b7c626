import { distance } from 'fastest-levenshtein';

/** The valid name that is closest to a mistyped one, where one is close enough to be meant. */
export function nearest(name: string, valid: readonly string[]): string | undefined {
  const [best] = valid
    .map((candidate) => ({ candidate, edits: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  return best && best.edits <= Math.max(2, Math.ceil(name.length / 3)) ? best.candidate : undefined;
}

/** `"lerningRate" (did you mean "learningRate"?)` */
export function withSuggestion(name: string, valid: readonly string[]): string {
  const suggestion = nearest(name, valid);
  return suggestion ? `"${name}" (did you mean "${suggestion}"?)` : `"${name}" (valid: ${valid.join(', ')})`;
}
