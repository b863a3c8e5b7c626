import { foldIn } from '@sd/core';
import { add, Conv2d, dropout, GroupNorm, Linear, Module, silu, zeros } from '@sd/nn';
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Conditioning, within } from './conditioning';
import type { ResolvedUNetConfig } from './config';
import { createInnerResampler, type Direction, type Resampler, tapGates } from './resampler';

export type ResBlockConfig = Pick<
  ResolvedUNetConfig,
  'dropout' | 'useScaleShiftNorm' | 'normEps' | 'resample' | 'wavelet'
> & {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Width of the time embedding. */
  readonly embeddingChannels: number;
  readonly inGroups: number;
  readonly outGroups: number;
  /** The sum is divided by it. Default 1. */
  readonly outputScale?: number;
  /** Halve or double the size between the first activation and the first convolution (`resblock_updown`). */
  readonly direction?: Direction;
};

/**
 * Residual block with the time embedding e (already through its SiLU):
 *   h = conv(SiLU(GN(x))) + W e;  y = (skip(x) + conv(dropout(SiLU(GN(h))))) / outputScale,
 * or, with scale-shift norm, [scale, shift] = W e and SiLU(GN(h) (1 + scale) + shift) instead.
 * The last convolution starts at zero; skip is a 1x1 convolution where the channels change.
 *
 * State: `in_layers.0`, `.2`, `emb_layers.1`, `out_layers.0`, `.3`, `skip_connection`, as `openaimodel.ResBlock`;
 * `h_upd`, `x_upd` where wavelet-gated modules change the size.
 */
export class ResBlock extends Module {
  readonly inNorm: GroupNorm;
  readonly inConv: Conv2d;
  readonly hUpd: Resampler | undefined;
  readonly xUpd: Resampler | undefined;
  readonly embedding: Linear;
  readonly outNorm: GroupNorm;
  readonly outConv: Conv2d;
  readonly skip: Conv2d | undefined;

  constructor(readonly config: ResBlockConfig) {
    super();
    const { inChannels, outChannels, embeddingChannels, inGroups, outGroups, direction, useScaleShiftNorm } = config;
    const { normEps: eps } = config;
    const conv = { outChannels, kernel: 3, pad: 1 };
    this.inNorm = this.child('in_layers.0', new GroupNorm({ channels: inChannels, groups: inGroups, eps, silu: true }));
    this.inConv = this.child('in_layers.2', new Conv2d({ ...conv, inChannels }));
    if (direction) {
      this.hUpd = this.child('h_upd', createInnerResampler(direction, inChannels, config));
      this.xUpd = this.child('x_upd', createInnerResampler(direction, inChannels, config));
    }
    const outFeatures = useScaleShiftNorm ? 2 * outChannels : outChannels;
    this.embedding = this.child('emb_layers.1', new Linear({ inFeatures: embeddingChannels, outFeatures }));
    this.outNorm = this.child(
      'out_layers.0',
      new GroupNorm({ channels: outChannels, groups: outGroups, eps, silu: !useScaleShiftNorm }),
    );
    this.outConv = this.child('out_layers.3', new Conv2d({ ...conv, inChannels: outChannels, init: zeros }));
    if (inChannels !== outChannels) {
      this.skip = this.child('skip_connection', new Conv2d({ inChannels, outChannels, kernel: 1 }));
    }
  }

  /**
   * @param x `[N, H, W, inChannels]`. Borrowed.
   * @returns `[N, H', W', outChannels]`, H and W halved or doubled with a direction. Owned by the caller.
   */
  forward(x: Tensor4D, conditioning: Conditioning): Tensor4D {
    const { dropout: rate, outputScale = 1 } = this.config;
    const { embedding, dropoutKey, name, taps } = conditioning;
    const { y, gates } = tf.tidy(() => {
      const { resized, residual, gates } = this.#resize(this.inNorm.forward(x), x, conditioning);
      let h = this.#withEmbedding(this.inConv.forward(resized), embedding);
      if (dropoutKey && rate > 0) h = dropout(h, rate, foldIn(dropoutKey, name));
      h = this.outConv.forward(h);
      const sum = add<Tensor4D>(this.skip ? this.skip.forward(residual) : residual, h);
      return { y: outputScale === 1 ? sum : (tf.div(sum, outputScale) as Tensor4D), gates };
    });
    Object.assign(taps?.gates ?? {}, gates); // not before: the tidy frees what it does not return
    return y;
  }

  #resize(h: Tensor4D, x: Tensor4D, conditioning: Conditioning) {
    const gates: Record<string, Tensor> = {};
    if (!this.hUpd || !this.xUpd) return { resized: h, residual: x, gates };
    const own = { ...conditioning, taps: conditioning.taps?.gates ? { gates } : {} };
    tapGates(this.hUpd, h, within(own, 'h_upd'));
    tapGates(this.xUpd, x, within(own, 'x_upd'));
    return { resized: this.hUpd.forward(h), residual: this.xUpd.forward(x), gates };
  }

  /** The second normalization and activation, with the embedding in their place. `[N, H, W, C]` to the same. */
  #withEmbedding(h: Tensor4D, embedding: Tensor2D): Tensor4D {
    const { outChannels, useScaleShiftNorm } = this.config;
    const projected = this.embedding.forward(embedding);
    const perChannel = (e: Tensor) => tf.reshape(e, [-1, 1, 1, outChannels]); // [N or 1, 1, 1, C]
    if (!useScaleShiftNorm) return this.outNorm.forward(add<Tensor4D>(h, perChannel(projected)));
    const [scale, shift] = tf.split(projected, 2, 1).map(perChannel);
    return silu(tf.add(tf.mul(this.outNorm.forward(h), tf.add(1, scale)), shift) as Tensor4D);
  }

  /** Multiply-accumulates for one sample of this input size. */
  macs(height: number, width: number): number {
    const { direction } = this.config;
    const scale = direction === undefined ? 1 : direction === 'down' ? 0.5 : 2;
    const [h, w] = [height * scale, width * scale];
    const convolutions = this.inConv.macs(h, w) + this.outConv.macs(h, w) + (this.skip?.macs(h, w) ?? 0);
    const resamplers = (this.hUpd?.macs(height, width) ?? 0) + (this.xUpd?.macs(height, width) ?? 0);
    return convolutions + this.embedding.macs() + resamplers;
  }
}
