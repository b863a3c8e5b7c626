import type { ModelOutput } from '@sd/distill';
import type { Timesteps } from '@sd/unet';
import { type Replayed, replayed } from '@sd/webgpu';
import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Condition, Denoiser } from './denoiser';

type Forward = Pick<Denoiser, 'forward' | 'forwardWithFeatures' | 'kind' | 'parameters'>;

/**
 * A denoiser whose passes are recorded and replayed on WebGPU, where a small network's JavaScript takes longer than the GPU;
 * elsewhere the denoiser itself. Of classes, which are no tensors, none is recorded. Same results.
 */
export class ReplayedDenoiser {
  readonly #denoiser: Forward;
  readonly #forward: Replayed;
  readonly #withFeatures: Replayed;
  #features: string[] = [];

  constructor(denoiser: Forward) {
    this.#denoiser = denoiser;
    const arguments_ = (tensors: Tensor[]) => tensors as unknown as [Tensor4D, Tensor1D, Condition | undefined];
    const weights = () => [...denoiser.parameters().values()].map(({ value }) => value as Tensor);
    this.#forward = replayed((...tensors) => [denoiser.forward(...arguments_(tensors))], { weights });
    this.#withFeatures = replayed(
      (...tensors) => {
        const { output, features = {} } = denoiser.forwardWithFeatures(...arguments_(tensors));
        this.#features = Object.keys(features);
        return [output, ...(Object.values(features) as Tensor[])];
      },
      { weights },
    );
  }

  /** As `Denoiser.forward`. */
  forward(x: Tensor4D, t: Timesteps, condition?: Condition): Tensor4D {
    if (!this.#isReplayed(condition)) return this.#denoiser.forward(x, t, condition);
    return tf.tidy(() => this.#forward(...tensorsOf(x, t, condition))[0] as Tensor4D);
  }

  /** As `Denoiser.forwardWithFeatures`. */
  forwardWithFeatures(x: Tensor4D, t: Timesteps, condition?: Condition): ModelOutput {
    if (!this.#isReplayed(condition)) return this.#denoiser.forwardWithFeatures(x, t, condition);
    return tf.tidy(() => {
      const [output, ...features] = this.#withFeatures(...tensorsOf(x, t, condition)) as [Tensor4D, ...Tensor4D[]];
      return { output, features: Object.fromEntries(this.#features.map((name, i) => [name, features[i] as Tensor4D])) };
    });
  }

  /** Frees what was recorded; the denoiser is not this one's. */
  dispose(): void {
    this.#forward.dispose();
    this.#withFeatures.dispose();
  }

  #isReplayed(condition: Condition | undefined): boolean {
    if (tf.getBackend() !== 'webgpu' || this.#denoiser.kind === 'class') return false;
    return condition === undefined || condition instanceof tf.Tensor || this.#denoiser.kind === 'none';
  }
}

function tensorsOf(x: Tensor4D, t: Timesteps, condition: Condition | undefined): Tensor[] {
  const times = typeof t === 'number' ? tf.fill([x.shape[0]], t) : t instanceof tf.Tensor ? t : tf.tensor1d([...t]);
  return [x, tf.cast(times, 'float32'), ...(condition instanceof tf.Tensor ? [condition] : [])];
}
