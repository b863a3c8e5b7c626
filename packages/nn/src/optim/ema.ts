import { int32View, type StateDict, type TensorView, toInt32 } from '@sd/checkpoint';
import { checkRange } from '@sd/core';
import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from '../parameter';
import { checkState } from './check-state';
import { Slots } from './slots';

/**
 * Exponential moving average of parameters, LDM's LitEma: at update k = 1, 2, ... the decay is
 * min(decay, (1 + k) / (10 + k)) and shadow <- shadow - (1 - decay) (shadow - parameter).
 */
export class ExponentialMovingAverage {
  readonly #shadow: Slots;
  #updates = 0;

  /** Starts at the parameters' present values. @param parameters stay the module's. @throws {ArgumentError} */
  constructor(
    private readonly parameters: ReadonlyMap<string, Parameter>,
    private readonly decay = 0.9999,
  ) {
    checkRange('ExponentialMovingAverage', 'decay', decay, 0, 1);
    this.#shadow = new Slots(parameters, (parameter) => tf.clone(parameter.value as tf.Tensor));
  }

  /** Number of updates so far. */
  get updates(): number {
    return this.#updates;
  }

  /** Moves the averages towards the parameters. */
  update(): void {
    this.#updates++;
    const decay = Math.min(this.decay, (1 + this.#updates) / (10 + this.#updates));
    for (const [name, parameter] of this.parameters) {
      const shadow = this.#shadow.get(name);
      const next = tf.tidy(() => tf.sub(shadow, tf.mul(tf.sub(shadow, parameter.value), 1 - decay)));
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
