import { ArgumentError, checkInteger, checkShape } from '@sd/core';
import { Conv2d, Module } from '@sd/nn';
import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkInverseSize, inverseSize, type Size } from './inverse-size';
import { checkInvertible } from './subbands';
import { gatedInverse } from './transform';
import { checkWaveletOptions, type WaveletOptions } from './wavelet';
import { WaveletGate } from './wavelet-gate';
import { checkFuse, type WGConfig } from './wg-config';

export type WGUpOptions = {
  /** Height and width of the result, where WGDown halved odd ones; by default the largest, which are even. */
  readonly size?: Size;
};

/**
 * WG-Up: wavelet-gated upsampling by 2 (Yang et al. 2023, wavelet gating). The channels are split into four chunks of C/4,
 * taken as the subbands LL, LH, HL, HH; each is gated; the IDWT, the paper's being Haar's, gives C/4 channels at twice the size, which a 1x1
 * convolution brings back to C. That convolution is there for both kinds of `fuse`: the published sizes of the paper's
 * 'sum' variant need it.
 *
 * State: `gate.0.weight` `[gateHidden, C]`, `gate.2.weight` `[C, gateHidden]` (`[4, gateHidden]` for band gates),
 * `fuse.weight` `[C, C/4, 1, 1]`, `fuse.bias` `[C]`.
 */
export class WGUp extends Module {
  readonly gate: WaveletGate;
  readonly fuse: Conv2d;
  readonly #transform: Required<WaveletOptions>;

  /** @throws {ArgumentError} unless 4 divides the channels. */
  constructor(readonly config: WGConfig) {
    super();
    const { channels, fuse = 'conv', gate, gateHidden } = config;
    checkInteger('WGUp', 'channels', channels);
    if (channels % 4 !== 0) throw new ArgumentError('WGUp', 'channels', 'divisible by 4', channels);
    checkFuse('WGUp', fuse);
    this.#transform = checkWaveletOptions('WGUp', config);
    this.gate = this.child('gate', new WaveletGate({ channels, bandChannels: channels / 4, gate, gateHidden }));
    this.fuse = this.child('fuse', new Conv2d({ inChannels: channels / 4, outChannels: channels, kernel: 1 }));
  }

  /**
   * @param x `[N, H, W, C]`. Borrowed.
   * @returns `[N, ...size, C]`, owned by the caller; size is by default `[2H, 2W]` with periodization, else as `idwt2d`.
   * @throws {ShapeError} @throws {ArgumentError} on a size that these subbands cannot come from.
   */
  forward(x: Tensor4D, options: WGUpOptions = {}): Tensor4D {
    this.#check(x);
    const size = checkInverseSize('WGUp', options.size, this.#transform, x.shape[1], x.shape[2]);
    return tf.tidy(() => {
      const image = gatedInverse(x, this.gate.forward(x), this.#transform, size); // [N, ...size, C/4]
      return this.fuse.forward(image); // [N, ...size, C]
    });
  }

  /**
   * @param x `[N, H, W, C]`. Borrowed.
   * @returns the gates that `forward` applies, in (0, 1): `[N, 4, C/4]`, or `[N, 4, 1]` for band gates; the bands are LL, LH,
   * HL, HH. Owned by the caller.
   * @throws {ShapeError}
   */
  gates(x: Tensor4D): Tensor3D {
    this.#check(x);
    return this.gate.forward(x);
  }

  /**
   * Multiply-accumulates of the linear layers and the convolution for one sample of this input size.
   * @throws {ArgumentError}
   */
  macs(height: number, width: number): number {
    checkInteger('WGUp.macs', 'height', height);
    checkInteger('WGUp.macs', 'width', width);
    const [outHeight, outWidth] = inverseSize(this.#transform, height, width);
    return this.gate.macs() + this.fuse.macs(outHeight, outWidth);
  }

  #check(x: Tensor4D): void {
    checkShape('WGUp', 'x', x, ['N', 'H', 'W', this.config.channels]);
    checkInvertible('WGUp', 'x', x, this.#transform);
  }
}
