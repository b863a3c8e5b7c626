import { ArgumentError, checkInteger, checkShape, type RandomKey } from '@sd/core';
import { BatchNorm2d, type BatchNorm2dOptions, Conv2d, type Initializer, Module, normalInit, torchDefaultInit } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Step, sequence } from '../sequence';

export type NLayerDiscriminatorConfig = {
  readonly inChannels?: number;
  /** Width of the first layer, `ndf`; each further layer doubles it, up to eight times. */
  readonly width?: number;
  /** Layers that halve the image: 3, or 2 in LDM's vq-f8 and vq-f16. */
  readonly layers?: number;
};

type Layer = Conv2d | BatchNorm2d | 'activation';

const KERNEL = 4;

/**
 * The PatchGAN of pix2pix (Isola et al. 2017) as taming-transformers has it: 4x4 convolutions, BatchNorm but after the
 * first, LeakyReLU 0.2. It starts as there: filters from N(0, 0.02), BatchNorm's weights from N(1, 0.02). State: `main.N`.
 */
export class NLayerDiscriminator extends Module {
  readonly layers: readonly Layer[];

  /** @throws {ArgumentError} */
  constructor(readonly config: NLayerDiscriminatorConfig = {}) {
    super();
    const { inChannels = 3, width = 64, layers: count = 3 } = config;
    checkInteger('NLayerDiscriminator', 'inChannels', inChannels);
    checkInteger('NLayerDiscriminator', 'width', width);
    checkInteger('NLayerDiscriminator', 'layers', count);
    const layers: Layer[] = [conv(inChannels, width, { stride: 2, bias: true }), 'activation'];
    let channels = width;
    for (let n = 1; n <= count; n++) {
      const next = width * Math.min(2 ** n, 8);
      layers.push(
        conv(channels, next, { stride: n < count ? 2 : 1, bias: false }),
        new BatchNorm2d({ channels: next }),
        'activation',
      );
      channels = next;
    }
    layers.push(conv(channels, 1, { stride: 1, bias: true }));
    this.layers = layers;
    for (const [i, layer] of layers.entries()) {
      if (layer !== 'activation') this.child<Conv2d | BatchNorm2d>(`main.${i}`, layer);
    }
  }

  /**
   * @param x `[N, H, W, inChannels]`. Borrowed.
   * @returns one logit for every patch, high for real ones: `[N, h, w, 1]`. Owned by the caller.
   * @throws {ShapeError} @throws {ArgumentError} where the image is smaller than a patch.
   */
  forward(x: Tensor4D, options: BatchNorm2dOptions = {}): Tensor4D {
    const { inChannels = 3 } = this.config;
    checkShape('NLayerDiscriminator', 'x', x, ['N', 'H', 'W', inChannels]);
    this.outputSize(x.shape[1], x.shape[2]);
    return sequence(
      x,
      this.layers.map((layer): Step => {
        if (layer === 'activation') return (h) => tf.leakyRelu(h, 0.2);
        return (h) => (layer instanceof BatchNorm2d ? layer.forward(h, options) : layer.forward(h));
      }),
    );
  }

  /** Height and width of the map of logits. @throws {ArgumentError} where the image is smaller than a patch. */
  outputSize(height: number, width: number): [number, number] {
    let [h, w] = [height, width];
    for (const layer of this.layers) {
      if (!(layer instanceof Conv2d)) continue;
      if (Math.min(h, w) < KERNEL - 2) {
        throw new ArgumentError('NLayerDiscriminator', 'image size', `enough for a patch`, [height, width]);
      }
      [h, w] = layer.outputSize(h, w);
    }
    return [h, w];
  }

  /** Draws new values, those of `weights_init`: taming's, which leaves the biases of convolutions as torch starts them. */
  override initialize(key: RandomKey): this {
    super.initialize(key);
    return this;
  }
}
