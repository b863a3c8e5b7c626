import { float32View, type TensorView, toFloat32, toFloat64 } from '@sd/checkpoint';
import { checkShape } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** State that is saved and loaded with the parameters and is not trained (torch's register_buffer). */
export type StateBuffer = TensorBuffer | CountBuffer;

/**
 * A float32 buffer, a running mean for one. It lies in memory as in the state dict, takes memory at its first use, and
 * is no variable: no optimiser and no gradient finds it.
 */
export class TensorBuffer {
  #tensor: Tensor | undefined;

  /** @param initial value of every element. */
  constructor(
    readonly torchShape: readonly number[],
    private readonly initial: number,
  ) {}

  /** Has the buffer taken memory? */
  get isAllocated(): boolean {
    return this.#tensor !== undefined;
  }

  /** The tensor. Owned by the buffer: borrow it, never dispose it. A later `assign` or `load` replaces it. */
  get value(): Tensor {
    if (!this.#tensor) this.reset();
    return this.#tensor as Tensor;
  }

  /** Gives every element its initial value. */
  reset(): void {
    tf.tidy(() => this.assign(tf.fill([...this.torchShape], this.initial)));
  }

  /** Takes the values of a tensor of the same shape, which stays the caller's. @throws {ShapeError} */
  assign(value: Tensor): void {
    checkShape('TensorBuffer.assign', 'value', value, this.torchShape);
    const next = tf.keep(tf.clone(value));
    this.#tensor?.dispose();
    this.#tensor = next;
  }

  /** Takes the values of a view of its shape, of any floating-point type. */
  load(view: TensorView): void {
    tf.tidy(() => this.assign(tf.tensor(toFloat32(view), [...this.torchShape], 'float32')));
  }

  /** The values as F32. The data is the caller's. */
  async view(): Promise<TensorView> {
    return float32View((await this.value.data()) as Float32Array, this.torchShape);
  }

  dispose(): void {
    this.#tensor?.dispose();
    this.#tensor = undefined;
  }
}

/** A count, int64 in the state dict, `[]` (BatchNorm's num_batches_tracked). A number here: no tensor holds an int64. */
export class CountBuffer {
  readonly torchShape: readonly number[] = [];
  value = 0;

  /** Takes memory never. */
  readonly isAllocated = false;

  reset(): void {
    this.value = 0;
  }

  /** Takes the value of a view of shape `[]`, of any type; exact up to 2^53. */
  load(view: TensorView): void {
    this.value = toFloat64(view)[0];
  }

  /** The value as I64. */
  async view(): Promise<TensorView> {
    const data = new Uint8Array(8);
    new DataView(data.buffer).setBigInt64(0, BigInt(this.value), true);
    return { dtype: 'I64', shape: [], data };
  }

  /** Back to zero. */
  dispose(): void {
    this.reset();
  }
}
