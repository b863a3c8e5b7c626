import { float32View, type StateDict, type TensorView, toFloat32 } from '@sd/checkpoint';
import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { toMemory, toTorch } from '../layout';
import type { Parameter } from '../parameter';
import type { ExpectedTensor } from './check-state';

/** Names whose tensors lie end to end in one flat tensor. */
type Pack = { readonly names: readonly string[]; tensor: Tensor1D };

/**
 * One tensor beside each parameter, of its shape (a moment, an average), by the parameter's dotted name. They can be
 * packed: a kernel that takes all parameters at once gets them as a few flat tensors, for a GPU binds only about ten
 * buffers at a time. `get` and `set` of what is packed unpack all.
 */
export class Slots {
  readonly #tensors = new Map<string, Tensor>();
  #packs: readonly Pack[] = [];

  constructor(
    private readonly parameters: ReadonlyMap<string, Parameter>,
    initial: (parameter: Parameter) => Tensor,
  ) {
    for (const [name, parameter] of parameters) this.#tensors.set(name, tf.keep(initial(parameter)));
  }

  /** Borrowed. */
  get(name: string): Tensor {
    if (!this.#tensors.has(name)) this.#unpack();
    return this.#tensors.get(name) as Tensor;
  }

  /** Takes over `value` and disposes what was there. */
  set(name: string, value: Tensor): void {
    this.get(name).dispose();
    this.#tensors.set(name, tf.keep(value));
  }

  /** The tensors of each group of names end to end, as flat tensors. Borrowed. */
  packed(groups: readonly (readonly string[])[]): Tensor1D[] {
    const isPackedSo =
      groups.length === this.#packs.length &&
      groups.every((names, i) => areSame(names, (this.#packs[i] as Pack).names));
    if (!isPackedSo) {
      this.#unpack();
      this.#packs = groups.map((names) => {
        const parts = names.map((name) => this.#tensors.get(name) as Tensor);
        const tensor = tf.keep(tf.tidy(() => tf.concat(parts.map((part) => tf.reshape(part, [-1])))) as Tensor1D);
        tf.dispose(parts);
        for (const name of names) this.#tensors.delete(name);
        return { names, tensor };
      });
    }
    return this.#packs.map(({ tensor }) => tensor);
  }

  /** Takes over new values for what `packed` gave. */
  setPacked(values: readonly Tensor1D[]): void {
    for (const [i, pack] of this.#packs.entries()) {
      pack.tensor.dispose();
      pack.tensor = tf.keep(values[i] as Tensor1D);
    }
  }

  #unpack(): void {
    for (const { names, tensor } of this.#packs) {
      const parts = this.#shapesOf(names);
      for (const { name, shape, begin, size } of parts) {
        this.#tensors.set(name, tf.keep(tf.tidy(() => tf.reshape(tf.slice(tensor, [begin], [size]), [...shape]))));
      }
      tensor.dispose();
    }
    this.#packs = [];
  }

  /** Where each of these lies when they are end to end. */
  #shapesOf(names: readonly string[]) {
    let begin = 0;
    return names.map((name) => {
      const { shape, size } = this.parameters.get(name) as Parameter;
      const part = { name, shape, begin, size };
      begin += size;
      return part;
    });
  }

  /** In PyTorch's layouts, under `prefix` + dotted name. */
  async stateDict(prefix: string): Promise<[string, TensorView][]> {
    const values = new Map<string, Float32Array>();
    for (const { names, tensor } of this.#packs) {
      const data = (await tensor.data()) as Float32Array;
      for (const { name, begin, size } of this.#shapesOf(names)) values.set(name, data.slice(begin, begin + size));
    }
    for (const [name, tensor] of this.#tensors) values.set(name, (await tensor.data()) as Float32Array);
    return [...this.parameters].map(([name, { layout, torchShape }]) => [
      prefix + name,
      float32View(toTorch(layout, values.get(name) as Float32Array, torchShape), torchShape),
    ]);
  }

  /** The names and shapes that this takes, under `prefix`. */
  expected(prefix: string): ExpectedTensor[] {
    return [...this.parameters].map(([name, { torchShape }]) => [prefix + name, torchShape]);
  }

  /** Takes what `stateDict` gave; the caller has held `expected` against it with `checkState`. */
  loadStateDict(prefix: string, state: StateDict): void {
    for (const [name, { layout, torchShape, shape }] of this.parameters) {
      const data = toMemory(layout, toFloat32(state.get(prefix + name) as TensorView), torchShape);
      this.set(name, tf.tensor(data, [...shape], 'float32'));
    }
  }

  dispose(): void {
    for (const tensor of this.#tensors.values()) tensor.dispose();
    for (const { tensor } of this.#packs) tensor.dispose();
    this.#tensors.clear();
    this.#packs = [];
  }
}

function areSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}
