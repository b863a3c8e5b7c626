import { ArgumentError, checkInteger, checkShape } from '@sd/core';
import { BatchNorm2d, type BatchNorm2dOptions, Conv2d, Module, normalInit } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { discriminatorInit } from '../init';
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
        new BatchNorm2d({ channels: next, init: normalInit(0.02, 1) }),
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

  /** Height and width of the map of logits. @throws {ArgumentError} where the image is too small for one. */
  outputSize(height: number, width: number): [number, number] {
    const { layers = 3 } = this.config;
    const size = (pixels: number) => Math.floor(pixels / 2 ** layers) - 2; // two last layers that do not halve
    const result: [number, number] = [size(height), size(width)];
    if (result.some((n) => n < 1)) {
      throw new ArgumentError('NLayerDiscriminator', 'image size', `at least ${3 * 2 ** layers}`, [height, width]);
    }
    return result;
  }
}

/** The convolutions after which BatchNorm brings a bias have none. */
function conv(inChannels: number, outChannels: number, { stride, bias }: { stride: number; bias: boolean }): Conv2d {
  const init = discriminatorInit(outChannels, inChannels, KERNEL);
  return new Conv2d({ inChannels, outChannels, kernel: KERNEL, stride, pad: 1, bias, init });
}
