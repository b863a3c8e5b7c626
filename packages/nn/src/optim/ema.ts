import { int32View, type StateDict, type TensorView, toInt32 } from '@sd/checkpoint';
import { checkRange } from '@sd/core';
import type { Tensor1D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from '../parameter';
import { checkState } from './check-state';
import { Slots } from './slots';

/** An update between its halves. */
type Begun = { readonly rate: number; readonly moved: ReadonlySet<string> };

/**
 * Exponential moving average of parameters, LDM's LitEma: at update k = 1, 2, ... the decay is
 * min(decay, (1 + k) / (10 + k)) and shadow <- shadow - (1 - decay) (shadow - parameter).
 */
export class ExponentialMovingAverage {
  readonly #shadow: Slots;
  readonly #names: ReadonlyMap<Parameter, string>;
  #updates = 0;
  #begun: Begun | undefined;

  /** Starts at the parameters' present values. @param parameters stay the module's. @throws {ArgumentError} */
  constructor(
    private readonly parameters: ReadonlyMap<string, Parameter>,
    private readonly decay = 0.9999,
  ) {
    checkRange('ExponentialMovingAverage', 'decay', decay, 0, 1);
    this.#names = new Map([...parameters].map(([name, parameter]) => [parameter, name]));
    this.#shadow = new Slots(parameters, (parameter) => tf.clone(parameter.value as tf.Tensor));
  }

  /** Number of updates so far. */
  get updates(): number {
    return this.#updates;
  }

  /** Moves the averages towards the parameters. */
  update(): void {
    this.#move(this.parameters, this.#nextRate());
  }

  /** The name that a parameter has here, if it is among the averaged ones. */
  nameOf(parameter: Parameter): string | undefined {
    return this.#names.get(parameter);
  }

  /**
   * First half of an update in which a kernel moves these averages, as `AdamW` does: their present values, each group
   * end to end (borrowed), and what share of the way to the parameters they are to go.
   */
  beginUpdate(groups: readonly (readonly string[])[]): { readonly packed: readonly Tensor1D[]; readonly rate: number } {
    const packed = this.#shadow.packed(groups);
    this.#begun = { rate: this.#nextRate(), moved: new Set(groups.flat()) };
    return { packed, rate: this.#begun.rate };
  }

  /** Second half: takes over the new values, and moves the averages that were in none of the groups. */
  endUpdate(packed: readonly Tensor1D[]): void {
    const { rate, moved } = this.#begun as Begun;
    this.#begun = undefined;
    this.#shadow.setPacked(packed);
    const others = [...this.parameters].filter(([name]) => !moved.has(name));
    if (others.length > 0) this.#move(others, rate);
  }

  #nextRate(): number {
    this.#updates++;
    return 1 - Math.min(this.decay, (1 + this.#updates) / (10 + this.#updates));
  }

  #move(parameters: Iterable<readonly [string, Parameter]>, rate: number): void {
    for (const [name, parameter] of parameters) {
      const shadow = this.#shadow.get(name);
      const next = tf.tidy(() => tf.sub(shadow, tf.mul(tf.sub(shadow, parameter.value), rate)));
      this.#shadow.set(name, next);
    }
  }

  /**
   * Exchanges the parameters with their averages; a second call exchanges them back. Sampling between the two calls
   * uses the averages.
   */
  swap(): void {
    for (const [name, parameter] of this.parameters) {
      const value = tf.clone(parameter.value as tf.Tensor);
      parameter.assign(this.#shadow.get(name));
      this.#shadow.set(name, value);
    }
  }

  /** `num_updates` and the averages under the parameters' names, in PyTorch's layouts. */
  async stateDict(): Promise<Map<string, TensorView>> {
    return new Map([
      ...(await this.#shadow.stateDict('')),
      ['num_updates', int32View(Int32Array.of(this.#updates), [1])],
    ]);
  }

  /**
   * Takes what `stateDict` gave, all or nothing.
   * @throws {SpectralDiffusionError} that lists what is missing or of another shape.
   */
  loadStateDict(state: StateDict): void {
    const expected = this.#shadow.expected('');
    checkState('ExponentialMovingAverage.loadStateDict', state, [['num_updates', [1]], ...expected]);
    this.#shadow.loadStateDict('', state);
    this.#updates = toInt32(state.get('num_updates') as TensorView)[0];
  }

  dispose(): void {
    this.#shadow.dispose();
  }
}
