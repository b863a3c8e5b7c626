import { Conv2d, Module } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { TinyPool } from './tiny-pool';

/**
 * TAESD's block: relu(x + conv(relu(conv(relu(conv(x)))))), all 3x3, without normalization; with `pool`, x has gone
 * through a `TinyPool` first. State: `conv.0`, `conv.2`, `conv.4`, `pool`.
 */
export class TinyBlock extends Module {
  readonly convs: readonly Conv2d[];
  readonly pool: TinyPool | undefined;

  constructor(channels: number, { pool }: { readonly pool: boolean }) {
    super();
    const conv = () => new Conv2d({ inChannels: channels, outChannels: channels, kernel: 3, pad: 1 });
    this.convs = ['conv.0', 'conv.2', 'conv.4'].map((name) => this.child(name, conv()));
    if (pool) this.pool = this.child('pool', new TinyPool(channels));
  }

  /** @param x `[N, H, W, channels]`. Borrowed. @returns the same shape. Owned by the caller. */
  forward(x: Tensor4D): Tensor4D {
    return tf.tidy(() => {
      const [first, second, third] = this.convs;
      const start = this.pool?.forward(x) ?? x;
      const branch = third.forward(tf.relu(second.forward(tf.relu(first.forward(start)))));
      return tf.relu(tf.add(branch, start) as Tensor4D);
    });
  }

  /** Multiply-accumulates of the convolutions for one sample. */
  macs(height: number, width: number): number {
    return [...this.convs, this.pool].reduce((sum, part) => sum + (part?.macs(height, width) ?? 0), 0);
  }
}
