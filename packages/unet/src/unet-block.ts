import { Conv2d, checkpointed, Module } from '@sd/nn';
import type { Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
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
      h = this.#isCheckpointed(i, own) ? runCheckpointed(layer, h, own) : layer.forward(h, own);
      if (feature?.after === i && conditioning.taps?.features) conditioning.taps.features[feature.name] = h;
    }
    return h;
  }

  /** Single convolutions keep only their input anyway; gates leave a layer by the taps, not by its value. */
  #isCheckpointed(layer: number, { checkpointing = false, taps }: Conditioning): boolean {
    const { kind } = this.plan.layers[layer];
    return checkpointing && !taps?.gates && (kind === 'res' || kind === 'attention' || kind === 'transformer');
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

function runCheckpointed(layer: Layer, x: Tensor4D, conditioning: Conditioning): Tensor4D {
  const parameters = layer.parameters().values();
  const { embedding, context } = conditioning;
  if (!context) {
    const forward = (h: Tensor4D, e: Tensor2D) => layer.forward(h, { ...conditioning, embedding: e });
    return checkpointed(forward, [x, embedding], parameters);
  }
  const forward = (h: Tensor4D, e: Tensor2D, c: Tensor3D) =>
    layer.forward(h, { ...conditioning, embedding: e, context: c });
  return checkpointed(forward, [x, embedding, context], parameters);
}

function createLayer(plan: LayerPlan, config: ResolvedUNetConfig): Layer {
  switch (plan.kind) {
    case 'conv':
      return new Conv2d({ inChannels: plan.inChannels, outChannels: plan.outChannels, kernel: 3, pad: 1 });
    case 'res': {
      const { kind: _, resample: direction, ...sizes } = plan;
      const { timeEmbeddingDim: embeddingChannels, dropout, useScaleShiftNorm, normEps, resample, wavelet } = config;
      const own = { embeddingChannels, dropout, useScaleShiftNorm, normEps, resample, wavelet };
      return new ResBlock({ ...sizes, ...own, ...(direction ? { direction } : {}) });
    }
    case 'attention': {
      const { kind: _, ...sizes } = plan;
      return new AttentionBlock({ ...sizes, eps: config.normEps });
    }
    case 'transformer': {
      const { kind: _, ...sizes } = plan;
      return new SpatialTransformer({ ...sizes, useLinearProjection: config.useLinearProjection });
    }
    default:
      return createResampler(plan.kind, plan.channels, config);
  }
}
