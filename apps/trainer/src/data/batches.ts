import { foldIn, permutation, type RandomKey } from '@sd/core';

/** Groups whose examples are mixed: as much as is read from at the same time. */
const MIXED_GROUPS = 16;

/**
 * Which examples make the batch of a step: epochs in random order, every example once each. A function of key and
 * step alone, so a resumed run continues where it was. The order of the present epoch is kept.
 *
 * With groups, examples that are read fastest together, an epoch takes the groups in random order and mixes the examples
 * of sixteen at a time.
 */
export class BatchOrder {
  #epoch = -1;
  #order: Int32Array = new Int32Array();

  /** @param groups lengths of the runs of examples that lie together; all of them, in order. */
  constructor(
    private readonly key: RandomKey,
    private readonly length: number,
    private readonly batchSize: number,
    private readonly groups?: readonly number[],
  ) {}

  indices(step: number): Int32Array {
    return Int32Array.from({ length: this.batchSize }, (_, i) => this.#example(step * this.batchSize + i));
  }

  #example(position: number): number {
    const epoch = Math.floor(position / this.length);
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      const key = foldIn(this.key, epoch);
      this.#order = this.groups ? groupedOrder(key, this.groups) : permutation(key, this.length);
    }
    return this.#order[position % this.length];
  }
}

function groupedOrder(key: RandomKey, groups: readonly number[]): Int32Array {
  const starts: number[] = [];
  let length = 0;
  for (const size of groups) {
    starts.push(length);
    length += size;
  }
  const order = new Int32Array(length);
  const shuffled = permutation(foldIn(key, 'groups'), groups.length);
  let at = 0;
  for (let first = 0; first < groups.length; first += MIXED_GROUPS) {
    const mixed = [...shuffled.subarray(first, first + MIXED_GROUPS)];
    const examples = mixed.flatMap((group) => Array.from({ length: groups[group] }, (_, i) => starts[group] + i));
    for (const place of permutation(foldIn(foldIn(key, 'mixed'), first), examples.length))
      order[at++] = examples[place];
  }
  return order;
}
