import type { RandomKey } from '@sd/core';
import * as tf from '@tensorflow/tfjs-core';
import type { Initializer } from './init';
import { type Layout, memoryShape, toMemory, toTorch } from './layout';

/**
 * One trainable tensor. It knows its shape from the start and takes memory only at its first use, so that a model can
 * be counted, or filled from a file, without being initialised first.
 */
export class Parameter {
  /** Shape in memory, NHWC conventions: `[kh, kw, in, out]` for convolutions, `[in, out]` for linear layers. */
  readonly shape: readonly number[];
  #variable: tf.Variable | undefined;

  /**
   * @param torchShape shape in a PyTorch state dict.
   * @param defaultKey the key that initialises the parameter when it is used before `initialize` or `load`.
   */
  constructor(
    readonly torchShape: readonly number[],
    readonly layout: Layout,
    private readonly initializer: Initializer,
    private readonly defaultKey: () => RandomKey,
  ) {
    this.shape = memoryShape(layout, torchShape);
  }

  /** Number of elements. */
  get size(): number {
    return this.torchShape.reduce((product, dimension) => product * dimension, 1);
  }

  /** Has the parameter taken memory? */
  get isAllocated(): boolean {
    return this.#variable !== undefined;
  }

  /** The tensor. Owned by the parameter: borrow it, never dispose it. */
  get value(): tf.Variable {
    if (!this.#variable) this.initialize(this.defaultKey());
    return this.#variable as tf.Variable;
  }

  /** Draws new values. */
  initialize(key: RandomKey): void {
    this.load(this.initializer(key, this.size));
  }

  /** Takes values in PyTorch order; the array must not be changed afterwards. */
  load(torchData: Float32Array): void {
    this.#load(toMemory(this.layout, torchData, this.torchShape));
  }

  /** Takes values in PyTorch order, in memory that stays the caller's. */
  loadBorrowed(torchData: Float32Array): void {
    const data = toMemory(this.layout, torchData, this.torchShape);
    // the cpu backend keeps the array that it is given
    this.#load(data === torchData ? data.slice() : data);
  }

  #load(data: Float32Array): void {
    tf.tidy(() => this.assign(tf.tensor(data, [...this.shape], 'float32')));
  }

  /** Takes the values of a tensor of the same shape, which stays the caller's. */
  assign(value: tf.Tensor): void {
    if (this.#variable) this.#variable.assign(value);
    else this.#variable = tf.variable(value, true);
  }

  /** Values in PyTorch order. */
  async read(): Promise<Float32Array> {
    return toTorch(this.layout, (await this.value.data()) as Float32Array, this.torchShape);
  }

  dispose(): void {
    this.#variable?.dispose();
    this.#variable = undefined;
  }
}
