import { ArgumentError } from '@sd/core';
import { MinHeap } from './min-heap';

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

  /**
   * In n log n, as a word may be as long as a text.
   * @param letters of one word, of the alphabet of bytes. @returns its parts, the last ending with `</w>`.
   */
  split(letters: readonly string[]): string[] {
    const count = letters.length;
    const parts: (string | undefined)[] = [...letters];
    parts[count - 1] += END_OF_WORD;
    // A part is where its first letter is; what became of another part's end is undefined.
    const [before, after] = [-1, 1].map((step) => Int32Array.from(letters, (_, i) => i + step));
    const rankAt = (i: number): number | undefined => {
      const [left, right] = [parts[i], parts[after[i]]];
      return left === undefined || right === undefined ? undefined : this.#ranks.get(left)?.get(right);
    };
    const waiting = new MinHeap(); // by rank, then from left to right
    const wait = (i: number): void => {
      const rank = i < 0 ? undefined : rankAt(i);
      if (rank !== undefined) waiting.push(rank * count + i);
    };
    for (let i = 0; i < count; i++) wait(i);
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const i = next % count;
      if (rankAt(i) !== Math.floor(next / count)) continue; // a neighbour has changed since
      const j = after[i];
      parts[i] = `${parts[i]}${parts[j]}`;
      parts[j] = undefined;
      after[i] = after[j];
      if (after[i] < count) before[after[i]] = i;
      wait(before[i]);
      wait(i);
    }
    return parts.filter((part) => part !== undefined);
  }
}
