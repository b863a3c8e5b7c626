import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

type TapeNode = NonNullable<ReturnType<typeof tf.engine>['state']['activeTape']>[number];

/**
 * `f`, to be differentiated once: the backward pass frees what it has used as it goes. tfjs by itself keeps all saved
 * activations, and the gradient by every one of them, until the pass is over: as much again as the activations.
 *
 * Inside another gradient, which needs them again, `f` is returned as it is.
 */
export function releasing<T>(f: () => T): () => T {
  return () => {
    const y = f();
    const { activeTape, gradientDepth } = tf.engine().state;
    if (activeTape && gradientDepth === 1) release(activeTape);
    return y;
  };
}

/**
 * Lets each node of the tape free the one that was differentiated before it: what that one had saved, the gradients by
 * its outputs, and those by its inputs that tfjs has added to earlier ones.
 */
function release(tape: readonly TapeNode[]): void {
  /** How often a gradient function returned this tensor: twice, where it is passed on, and then it is left to tfjs. */
  const returned = new Map<Tensor, number>();
  /** Gradients that were returned for each tensor. */
  const gradientsBy = new Map<number, Tensor[]>();
  let used: Tensor[] = [];
  for (const node of tape) {
    const { gradient } = node;
    if (!gradient) continue;
    node.gradient = (dys) => {
      for (const tensor of used) if ((returned.get(tensor) ?? 0) <= 1) tensor.dispose();
      // A gradient that nobody returned is a sum, or the caller's own, which stays.
      const sumsOnly = node.outputs.flatMap(({ id }, i) => ((gradientsBy.get(id)?.length ?? 0) > 0 ? [dys[i]] : []));
      used = [...(node.saved ?? []), ...sumsOnly.filter((dy): dy is Tensor => dy != null)];
      const gradients = gradient(dys);
      return Object.fromEntries(
        Object.entries(gradients).map(([name, make]) => [
          name,
          () => {
            const dx = make();
            const x = (node.inputs[name] as Tensor).id;
            returned.set(dx, (returned.get(dx) ?? 0) + 1);
            const known = gradientsBy.get(x) ?? [];
            if (known.length > 0) used.push(dx);
            gradientsBy.set(x, [...known, dx]);
            return dx;
          },
        ]),
      );
    };
  }
}
