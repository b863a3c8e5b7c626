import { Conv2d, Module } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { AttentionBlock } from './attention-block';
import { type Conditioning, type Layer, type MacOptions, within } from './conditioning';
import type { ResolvedUNetConfig } from './config';
import { type BlockPlan, type LayerPlan, scaleOf } from './plan';
import { ResBlock } from './res-block';
import { createResampler, tapGates } from './resampler';
import { SpatialTransformer } from './spatial-transformer';

/** Layers one after the other, named by their position: LDM's `TimestepEmbedSequential`. */
export class UNetBlock extends Module {
  readonly #layers: readonly Layer[];

  constructor(
    readonly plan: BlockPlan,
    config: ResolvedUNetConfig,
  ) {
    super();
    this.#layers = plan.layers.map((layer, i) => this.child(String(i), createLayer(layer, config)));
  }

  /** @param x `[N, H, W, C]`. Borrowed. @returns the last layer's output. Owned by the caller. */
  forward(x: Tensor4D, conditioning: Conditioning): Tensor4D {
    const { feature } = this.plan;
    let h = x;
    for (const [i, layer] of this.#layers.entries()) {
      const own = within(conditioning, String(i));
      tapGates(layer, h, own);
      h = layer.forward(h, own);
      if (feature?.after === i && conditioning.taps?.features) conditioning.taps.features[feature.name] = h;
    }
    return h;
  }

  /** Multiply-accumulates for one sample of this input size, and the size of the output. */
  macs(height: number, width: number, options: MacOptions): { macs: number; height: number; width: number } {
    let [macs, h, w] = [0, height, width];
    for (const [i, layer] of this.#layers.entries()) {
      const scale = scaleOf(this.plan.layers[i]);
      macs += layer.macs(h, w, options);
      [h, w] = [h * scale, w * scale];
    }
    return { macs, height: h, width: w };
  }
}

function createLayer(plan: LayerPlan, config: ResolvedUNetConfig): Layer {
  const { modelChannels, transformerDepth: depth, contextDim } = config;
  switch (plan.kind) {
    case 'conv':
      return new Conv2d({ inChannels: plan.inChannels, outChannels: plan.outChannels, kernel: 3, pad: 1 });
    case 'res': {
      const { inChannels, outChannels, inGroups, outGroups, resample: direction } = plan;
      const { dropout, useScaleShiftNorm, resample, wavelet } = config;
      return new ResBlock({
        inChannels,
        outChannels,
        embeddingChannels: 4 * modelChannels,
        inGroups,
        outGroups,
        dropout,
        useScaleShiftNorm,
        resample,
        wavelet,
        ...(direction ? { direction } : {}),
      });
    }
    case 'attention': {
      const { channels, heads, groups } = plan;
      return contextDim === undefined
        ? new AttentionBlock({ channels, heads, groups })
        : new SpatialTransformer({ channels, heads, groups, depth, contextDim });
    }
    default:
      return createResampler(plan.kind, plan.channels, config);
  }
}
