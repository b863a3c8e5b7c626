import { float32View, type StateDict, type TensorView, toFloat32 } from '@sd/checkpoint';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { toMemory, toTorch } from '../layout';
import type { Parameter } from '../parameter';
import type { ExpectedTensor } from './check-state';

/** One tensor beside each parameter, of its shape (a moment, an average), by the parameter's dotted name. */
export class Slots {
  readonly #tensors = new Map<string, Tensor>();

  constructor(
    private readonly parameters: ReadonlyMap<string, Parameter>,
    initial: (parameter: Parameter) => Tensor,
  ) {
    for (const [name, parameter] of parameters) this.#tensors.set(name, tf.keep(initial(parameter)));
  }

  /** Borrowed. */
  get(name: string): Tensor {
    return this.#tensors.get(name) as Tensor;
  }

  /** Takes over `value` and disposes what was there. */
  set(name: string, value: Tensor): void {
    this.get(name).dispose();
    this.#tensors.set(name, tf.keep(value));
  }

  /** In PyTorch's layouts, under `prefix` + dotted name. */
  async stateDict(prefix: string): Promise<[string, TensorView][]> {
    const entries: [string, TensorView][] = [];
    for (const [name, parameter] of this.parameters) {
      const data = (await this.get(name).data()) as Float32Array;
      entries.push([
        prefix + name,
        float32View(toTorch(parameter.layout, data, parameter.torchShape), parameter.torchShape),
      ]);
    }
    return entries;
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
    this.#tensors.clear();
  }
}
