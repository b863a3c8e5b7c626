import { ArgumentError } from '@sd/core';

/** What CLIP appends to the last letter of a word. */
export const END_OF_WORD = '</w>';

/** Two parts and what they become: a pair's place in the list is its rank. */
export type Merge = readonly [left: string, right: string];

/**
 * Byte-pair encoding (Sennrich et al. 2016) of words: of all neighbours the pair of the lowest rank is merged, wherever
 * it is, until none is left that can be.
 */
export class BytePairEncoding {
  readonly #ranks: ReadonlyMap<string, ReadonlyMap<string, number>>;

  /** @throws {ArgumentError} on a merge of, or into, what the vocabulary does not have. */
  constructor(operation: string, vocabulary: ReadonlyMap<string, number>, merges: readonly Merge[]) {
    const ranks = new Map<string, Map<string, number>>();
    for (const [rank, [left, right]] of merges.entries()) {
      for (const part of [left, right, left + right]) {
        if (!vocabulary.has(part)) throw new ArgumentError(operation, `merge ${rank}`, 'of the vocabulary', part);
      }
      const ofLeft = ranks.get(left) ?? new Map<string, number>();
      if (!ofLeft.has(right)) ofLeft.set(right, rank);
      ranks.set(left, ofLeft);
    }
    this.#ranks = ranks;
  }

  /** @param letters of one word, of the alphabet of bytes. @returns its parts, the last ending with `</w>`. */
  split(letters: readonly string[]): string[] {
    let parts = letters.map((letter, i) => (i === letters.length - 1 ? letter + END_OF_WORD : letter));
    while (parts.length > 1) {
      const best = this.#lowest(parts);
      if (best === undefined) break;
      parts = merged(parts, best);
    }
    return parts;
  }

  #lowest(parts: readonly string[]): Merge | undefined {
    let [lowest, best]: [number, Merge | undefined] = [Number.POSITIVE_INFINITY, undefined];
    for (let i = 0; i + 1 < parts.length; i++) {
      const rank = this.#ranks.get(parts[i])?.get(parts[i + 1]);
      if (rank !== undefined && rank < lowest) [lowest, best] = [rank, [parts[i], parts[i + 1]]];
    }
    return best;
  }
}

function merged(parts: readonly string[], [left, right]: Merge): string[] {
  const result: string[] = [];
  for (let i = 0; i < parts.length; i++) {
    if (parts[i] === left && parts[i + 1] === right) {
      result.push(left + right);
      i++;
    } else {
      result.push(parts[i]);
    }
  }
  return result;
}
