import { checkShape } from '@sd/core';
import type { Conv2d } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkAutoencoderConfig } from './check-config';
import { type AutoencoderKLConfig, downsampleFactor } from './config';
import { Decoder } from './decoder';
import { DiagonalGaussian } from './diagonal-gaussian';
import { checkImage, Encoder } from './encoder';
import { FirstStage } from './first-stage';
import { trunkConv } from './layers';
import { type ForwardOptions, partOptions } from './resnet-block';

/**
 * First stage with a Gaussian posterior (CompVis autoencoder.AutoencoderKL).
 * State: `encoder`, `decoder`, and, unless `quantConv` is false, `quant_conv`, `post_quant_conv`.
 */
export class AutoencoderKL extends FirstStage {
  readonly kind = 'kl';
  readonly encoder: Encoder;
  readonly decoder: Decoder;
  readonly quantConv: Conv2d | undefined;
  readonly postQuantConv: Conv2d | undefined;

  /** @throws {ArgumentError} where the configuration contradicts itself. */
  constructor(readonly config: AutoencoderKLConfig) {
    super();
    checkAutoencoderConfig(config, 'kl');
    const { zChannels, embedDim, quantConv = true } = config;
    this.encoder = this.child('encoder', new Encoder(config));
    this.decoder = this.child('decoder', new Decoder(config));
    if (!quantConv) return;
    this.quantConv = this.child(
      'quant_conv',
      trunkConv({ inChannels: 2 * zChannels, outChannels: 2 * embedDim }, 1, config),
    );
    this.postQuantConv = this.child(
      'post_quant_conv',
      trunkConv({ inChannels: embedDim, outChannels: zChannels }, 1, config),
    );
  }

  /**
   * @param x `[N, H, W, inChannels]`, H and W multiples of f = 2^(levels - 1), in [-1, 1] as LDM trains it. Borrowed.
   * @returns the posterior over `[N, H/f, W/f, embedDim]`. Owned by the caller. @throws {ShapeError}
   */
  encode(x: Tensor4D, options: ForwardOptions = {}): DiagonalGaussian {
    checkImage('AutoencoderKL.encode', x, this.config);
    const moments = this.moments(x, options);
    const posterior = DiagonalGaussian.fromMoments(moments);
    moments.dispose();
    return posterior;
  }

  /** What `encode` makes the posterior of: mean and log-variance, not clamped. @returns `[N, H/f, W/f, 2 embedDim]`. */
  moments(x: Tensor4D, options: ForwardOptions = {}): Tensor4D {
    return tf.tidy(() => {
      const h = this.encoder.forward(x, partOptions(options, 'encoder'));
      return this.quantConv?.forward(h) ?? h;
    });
  }

  /**
   * @param z `[N, h, w, embedDim]`, unscaled: divide by the scale factor first. Borrowed.
   * @returns `[N, f h, f w, outCh]`, not clamped. Owned by the caller. @throws {ShapeError}
   */
  decode(z: Tensor4D, options: ForwardOptions = {}): Tensor4D {
    checkShape('AutoencoderKL.decode', 'z', z, ['N', 'h', 'w', this.config.embedDim]);
    return tf.tidy(() => this.decoder.convOut.forward(this.features(z, options)));
  }

  /**
   * Decodes up to the decoder's last layer, whose input this is.
   * @param z `[N, h, w, embedDim]`. Borrowed. @returns `[N, f h, f w, ch]`. Owned by the caller.
   */
  features(z: Tensor4D, options: ForwardOptions = {}): Tensor4D {
    return tf.tidy(() => {
      const h = this.postQuantConv?.forward(z) ?? z;
      return this.decoder.features(h, partOptions(options, 'decoder'));
    });
  }

  /** Multiply-accumulates of the convolutions for one image of this size. */
  macs(height: number, width: number): { encode: number; decode: number } {
    const [h, w] = [height, width].map((size) => size / downsampleFactor(this.config));
    return {
      encode: this.encoder.macs(height, width) + (this.quantConv?.macs(h, w) ?? 0),
      decode: this.decoder.macs(h, w) + (this.postQuantConv?.macs(h, w) ?? 0),
    };
  }
}
