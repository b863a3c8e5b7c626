import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type RecordedForward, recordForward } from './record-forward';

type DataId = Tensor['dataId'];

/** Recordings that a function keeps, for as many sets of shapes. */
const KEPT = 4;

/** A function of tensors that replays itself. */
export type Replayed = {
  /** @param inputs borrowed. @returns owned by the caller. */
  (...inputs: Tensor[]): Tensor[];
  /** Of the device's memory, that recordings hold. */
  readonly bytes: number;
  /** Frees what was recorded. The function can be called again. */
  dispose(): void;
};

export type ReplayedOptions = {
  /** The weights that `fn` reads. Asked at each call: where one of them is another tensor than before, `fn` is recorded anew. */
  readonly weights: () => Iterable<Tensor>;
};

/**
 * A function that is recorded when inputs of the same shapes come a second time, and replayed from then on, with weights as
 * they are at each call (`recordForward`): a denoiser while sampling, a loss with its gradients while training. On other
 * backends than webgpu, and for inputs that are not all float32, it is the function itself.
 * @param fn of its tensors alone, synchronous. Its intermediate tensors are disposed.
 */
export function replayed(fn: (...inputs: Tensor[]) => Tensor[], { weights }: ReplayedOptions): Replayed {
  type Known = { readonly pass: RecordedForward; readonly weights: readonly DataId[] };
  const recorded = new Map<string, Known | null>();
  const forget = (key: string) => {
    recorded.get(key)?.pass.dispose();
    recorded.delete(key);
  };
  const isSame = (ids: readonly DataId[], known: Known) =>
    known.pass.isCurrent() && ids.length === known.weights.length && ids.every((id, i) => id === known.weights[i]);
  const call = (...inputs: Tensor[]): Tensor[] => {
    if (tf.getBackend() !== 'webgpu' || inputs.some(({ dtype }) => dtype !== 'float32'))
      return tf.tidy(() => fn(...inputs));
    const key = inputs.map(({ shape }) => shape.join('x')).join(' ');
    let known = recorded.get(key);
    if (known === undefined) {
      recorded.set(key, null);
      for (const old of [...recorded.keys()].slice(0, -KEPT)) forget(old);
      return tf.tidy(() => fn(...inputs));
    }
    const ids = Array.from(weights(), ({ dataId }) => dataId);
    if (known === null || !isSame(ids, known)) {
      forget(key);
      known = { pass: recordForward(fn, inputs, { weights: 'live' }), weights: ids };
      recorded.set(key, known);
    }
    return known.pass.replay(inputs);
  };
  const dispose = () => {
    for (const key of [...recorded.keys()]) forget(key);
  };
  const bytes = () => [...recorded.values()].reduce((sum, known) => sum + (known?.pass.bytes ?? 0), 0);
  return Object.defineProperty(Object.assign(call, { dispose }), 'bytes', { get: bytes }) as Replayed;
}
