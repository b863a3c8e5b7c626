import { foldIn, permutation, type RandomKey } from '@sd/core';

/**
 * Which examples make the batch of a step: epochs in random order, every example once each. A function of key and
 * step alone, so a resumed run continues where it was. The order of the present epoch is kept.
 */
export class BatchOrder {
  #epoch = -1;
  #order: Int32Array = new Int32Array();

  constructor(
    private readonly key: RandomKey,
    private readonly length: number,
    private readonly batchSize: number,
  ) {}

  indices(step: number): Int32Array {
    return Int32Array.from({ length: this.batchSize }, (_, i) => this.#example(step * this.batchSize + i));
  }

  #example(position: number): number {
    const epoch = Math.floor(position / this.length);
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#order = permutation(foldIn(this.key, epoch), this.length);
    }
    return this.#order[position % this.length];
  }
}
