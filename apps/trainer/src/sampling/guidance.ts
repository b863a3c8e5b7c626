import { withGuidance } from '@sd/schedulers';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Condition, type Denoiser, NO_CLASS } from '../conditions/denoiser';

/** What samples are of, and how strongly. */
export type Guidance = {
  readonly denoiser: Denoiser;
  /** w: 1 is the conditional prediction itself, 0 the unconditional one. */
  readonly scale: number;
  /** Of samples `first` to `first + count - 1`. Its tensor is disposed of by the caller. */
  readonly condition: (first: number, count: number) => Condition;
  /** Of what the samples are led away from: nothing, or a negative prompt; one for all samples. Borrowed. */
  readonly uncondition: Condition;
};

/**
 * The guided model of some samples, for `Scheduler.sample`.
 * @returns the model, and what to call when the samples are drawn.
 */
export function guidedModel(
  {
    denoiser,
    scale,
    condition,
    uncondition,
  }: Omit<Guidance, 'denoiser'> & { readonly denoiser: Pick<Denoiser, 'forward'> },
  first: number,
  count: number,
): { readonly model: (x: Tensor4D, t: number) => Tensor4D; dispose(): void } {
  const wanted = condition(first, count);
  const model = withGuidance<Condition>((x, t, given) => denoiser.forward(x, t, given), {
    scale,
    condition: wanted,
    uncondition,
  });
  return {
    model,
    dispose: () => {
      if (wanted instanceof tf.Tensor) wanted.dispose();
    },
  };
}

/** All classes of a model one after the other, again and again: what its samples as a whole are. None where it has no classes. */
export function classesInTurn(denoiser: Denoiser, scale: number): Guidance | undefined {
  if (denoiser.kind !== 'class') return undefined;
  return {
    denoiser,
    scale,
    condition: (first, count) => Array.from({ length: count }, (_, i) => (first + i) % denoiser.classes),
    uncondition: [NO_CLASS],
  };
}
