import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from './parameter';
import { releasing } from './releasing';

/**
 * `f(...inputs)` with gradient checkpointing (Chen et al. 2016): no intermediate tensor is kept for the backward pass,
 * which computes `f` again. The same value and gradients for less memory and one more forward pass.
 *
 * @param f pure: the same result for the same inputs and parameters (random numbers come from keys). It may depend on
 * nothing else that is differentiated.
 * @param inputs float32. Borrowed.
 * @param parameters those that `f` uses.
 * @returns Owned by the caller.
 */
export function checkpointed<T extends Tensor, const I extends readonly Tensor[]>(
  f: (...inputs: I) => T,
  inputs: I,
  parameters: Iterable<Parameter>,
): T {
  const variables = [...parameters].map(({ value }) => value);
  const op = tf.customGrad((...args) => {
    const given = args.slice(0, inputs.length) as Tensor[];
    const save = args[inputs.length + variables.length] as unknown as tf.GradSaveFunc;
    save(given);
    const gradFunc = (dy: Tensor, saved: Tensor[]) => {
      const xs = [...saved, ...variables];
      const { value, grads } = nestedGradients(() => f(...(saved as readonly Tensor[] as I)), xs, dy);
      value.dispose();
      return grads.map((gradient, i) => gradient ?? tf.zerosLike(xs[i]));
    };
    return { value: f(...(given as readonly Tensor[] as I)), gradFunc };
  });
  return op(...inputs, ...variables) as T;
}

/**
 * Gradients inside a backward pass. tfjs begins a new tape for them and drops it afterwards, with the one that the pass
 * around them still needs: it is put back.
 */
function nestedGradients(f: () => Tensor, xs: Tensor[], dy: Tensor): { value: Tensor; grads: (Tensor | undefined)[] } {
  const { state } = tf.engine();
  const tape = state.activeTape;
  try {
    return tf.engine().gradients(releasing(f), xs, dy, true);
  } finally {
    state.activeTape = tape;
  }
}
