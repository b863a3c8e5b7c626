import { checkShape } from '@sd/core';
import type { Conv2d } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkAutoencoderConfig } from './check-config';
import { downsampleFactor, type VQModelConfig } from './config';
import { Decoder } from './decoder';
import { checkImage, Encoder } from './encoder';
import { FirstStage } from './first-stage';
import { trunkConv } from './layers';
import { type ForwardOptions, partOptions } from './resnet-block';
import { type Quantization, VectorQuantizer } from './vector-quantizer';

/**
 * First stage with a codebook, as diffusion uses it (CompVis autoencoder.VQModelInterface): `encode` stops before the
 * codebook and `decode` goes through it first. State: `encoder`, `decoder`, `quantize.embedding`, `quant_conv`,
 * `post_quant_conv`.
 */
export class VQModel extends FirstStage {
  readonly kind = 'vq';
  readonly encoder: Encoder;
  readonly decoder: Decoder;
  readonly quantizer: VectorQuantizer;
  readonly quantConv: Conv2d;
  readonly postQuantConv: Conv2d;

  /** @throws {ArgumentError} where the configuration contradicts itself. */
  constructor(readonly config: VQModelConfig) {
    super();
    checkAutoencoderConfig(config, 'vq');
    const { zChannels, embedDim, nEmbed, beta, legacyBeta = true } = config;
    this.encoder = this.child('encoder', new Encoder(config));
    this.decoder = this.child('decoder', new Decoder(config));
    this.quantizer = this.child('quantize', new VectorQuantizer({ nEmbed, embedDim, beta, legacyBeta }));
    this.quantConv = this.child('quant_conv', trunkConv({ inChannels: zChannels, outChannels: embedDim }, 1, config));
    this.postQuantConv = this.child(
      'post_quant_conv',
      trunkConv({ inChannels: embedDim, outChannels: zChannels }, 1, config),
    );
  }

  /**
   * @param x `[N, H, W, inChannels]`, H and W multiples of f = 2^(levels - 1), in [-1, 1] as LDM trains it. Borrowed.
   * @returns the latent before quantization, `[N, H/f, W/f, embedDim]`. Owned by the caller. @throws {ShapeError}
   */
  encode(x: Tensor4D, options: ForwardOptions = {}): Tensor4D {
    checkImage('VQModel.encode', x, this.config);
    return tf.tidy(() => this.quantConv.forward(this.encoder.forward(x, partOptions(options, 'encoder'))));
  }

  /** @param z `[N, h, w, embedDim]`, from `encode`. Borrowed. @returns owned by the caller. @throws {ShapeError} */
  quantize(z: Tensor4D): Quantization {
    return this.quantizer.forward(z);
  }

  /**
   * Quantizes, then decodes.
   * @param z `[N, h, w, embedDim]`, from `encode` or from a diffusion model. Borrowed.
   * @returns `[N, f h, f w, outCh]`, not clamped. Owned by the caller. @throws {ShapeError}
   */
  decode(z: Tensor4D, options: ForwardOptions = {}): Tensor4D {
    checkShape('VQModel.decode', 'z', z, ['N', 'h', 'w', this.config.embedDim]);
    return tf.tidy(() => this.decodeQuantized(this.quantizer.lookup(this.quantizer.nearest(z)), options));
  }

  /**
   * Decodes what `quantize` gave, without looking it up again; in training the gradient passes through.
   * @param quantized `[N, h, w, embedDim]`. Borrowed.
   * @returns `[N, f h, f w, outCh]`, not clamped. Owned by the caller. @throws {ShapeError}
   */
  decodeQuantized(quantized: Tensor4D, options: ForwardOptions = {}): Tensor4D {
    checkShape('VQModel.decodeQuantized', 'quantized', quantized, ['N', 'h', 'w', this.config.embedDim]);
    return tf.tidy(() => this.decoder.convOut.forward(this.features(quantized, options)));
  }

  /**
   * Decodes up to the decoder's last layer, whose input this is.
   * @param quantized `[N, h, w, embedDim]`. Borrowed. @returns `[N, f h, f w, ch]`. Owned by the caller.
   */
  features(quantized: Tensor4D, options: ForwardOptions = {}): Tensor4D {
    return tf.tidy(() => this.decoder.features(this.postQuantConv.forward(quantized), partOptions(options, 'decoder')));
  }

  /** Multiply-accumulates of the convolutions for one image of this size; the codebook's distances are not counted. */
  macs(height: number, width: number): { encode: number; decode: number } {
    const [h, w] = [height, width].map((size) => size / downsampleFactor(this.config));
    return {
      encode: this.encoder.macs(height, width) + this.quantConv.macs(h, w),
      decode: this.decoder.macs(h, w) + this.postQuantConv.macs(h, w),
    };
  }
}
