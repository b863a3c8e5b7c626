import { Module } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { averagePool3x3 } from './average-pool';
import { BasicConv2d } from './basic-conv2d';
import { maxPool } from './max-pool';

/** A convolution: its name, output channels, filter, stride. Stride 1 keeps the size, stride 2 has no padding. */
export type Layer = readonly [name: string, outChannels: number, kernel: readonly [number, number], stride?: 1 | 2];

/** A branch of a block: perhaps a 3 x 3 pooling, then convolutions, of which the last may be two side by side. */
export type Branch = {
  readonly pool?: 'average' | 'max' | 'max, stride 2';
  readonly layers: readonly Layer[];
  readonly fork?: readonly [Layer, Layer];
};

type Built = Omit<Branch, 'layers' | 'fork'> & {
  readonly convs: readonly BasicConv2d[];
  readonly fork: readonly BasicConv2d[];
};

/** Multiply-accumulates, and the height and width that come out. */
export type Cost = { readonly macs: number; readonly size: readonly [number, number] };

/** A block of Inception: branches side by side, their maps joined in order. */
export class Mixed extends Module {
  readonly outChannels: number;
  readonly #branches: readonly Built[];

  constructor(inChannels: number, branches: readonly Branch[]) {
    super();
    let outChannels = 0;
    this.#branches = branches.map(({ layers, fork = [], ...rest }) => {
      let width = inChannels;
      const build = ([name, channels, kernel, stride = 1]: Layer): BasicConv2d => {
        const pad = stride === 1 ? ([(kernel[0] - 1) / 2, (kernel[1] - 1) / 2] as const) : ([0, 0] as const);
        return this.child(name, new BasicConv2d({ inChannels: width, outChannels: channels, kernel, stride, pad }));
      };
      const convs = layers.map((layer) => {
        const conv = build(layer);
        width = layer[1];
        return conv;
      });
      const forked = fork.map(build);
      outChannels += forked.reduce((sum, { config }) => sum + config.outChannels, 0) || width;
      return { ...rest, convs, fork: forked };
    });
    this.outChannels = outChannels;
  }

  /** @param x `[N, H, W, inChannels]`. Borrowed. @returns `[N, H', W', outChannels]`. Owned by the caller. */
  forward(x: Tensor4D): Tensor4D {
    return tf.tidy(() => {
      const maps = this.#branches.flatMap(({ pool, convs, fork }) => {
        const map = tf.tidy(() => convs.reduce((y, conv) => conv.forward(y), pooled(x, pool)));
        return fork.length === 0 ? [map] : fork.map((conv) => conv.forward(map));
      });
      return tf.concat(maps, 3);
    });
  }

  cost(height: number, width: number): Cost {
    let macs = 0;
    let size: readonly [number, number] = [height, width];
    for (const { convs, fork } of this.#branches) {
      let branchSize: readonly [number, number] = [height, width];
      for (const conv of convs) {
        const cost = conv.cost(...branchSize);
        macs += cost.macs;
        branchSize = cost.size;
      }
      for (const conv of fork) macs += conv.cost(...branchSize).macs;
      if (convs.length > 0) size = branchSize;
    }
    return { macs, size };
  }
}

function pooled(x: Tensor4D, pool: Branch['pool']): Tensor4D {
  switch (pool) {
    case 'average':
      return averagePool3x3(x);
    case 'max':
      return maxPool(x, { kernel: 3, stride: 1, pad: 1 });
    case 'max, stride 2':
      return maxPool(x, { kernel: 3, stride: 2 });
    case undefined:
      return x;
  }
}
