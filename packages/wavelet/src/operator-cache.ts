import type { AxisOperator } from './axis-operator';

/** Entries of all operators that are kept; 8 bytes each, about as many again for their transposes. */
const CAPACITY = 1 << 20;

/** Keeps the operators used last, as plain arrays: no tensors, so nothing belongs to a backend. */
export class OperatorCache {
  readonly #operators = new Map<string, AxisOperator>();
  #size = 0;

  constructor(readonly capacity = CAPACITY) {}

  /** The operator of this key, made where it is not there. */
  get(key: string, make: () => AxisOperator): AxisOperator {
    const known = this.#operators.get(key);
    if (known) {
      this.#operators.delete(key); // to be set again as the last one used
      this.#operators.set(key, known);
      return known;
    }
    const operator = make();
    this.#operators.set(key, operator);
    this.#size += operator.weights.length;
    for (const [oldest, { weights }] of this.#operators) {
      if (this.#size <= this.capacity) break;
      this.#operators.delete(oldest);
      this.#size -= weights.length;
    }
    return operator;
  }

  /** Number of operators kept. */
  get count(): number {
    return this.#operators.size;
  }
}
