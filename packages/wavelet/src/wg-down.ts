import { checkInteger, checkShape, ShapeError } from '@sd/core';
import { Conv2d, Module } from '@sd/nn';
import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { bandLength } from './band-length';
import { gatedTransform } from './transform';
import { checkWaveletOptions, type WaveletOptions } from './wavelet';
import { filterLength } from './wavelet-filters';
import { WaveletGate } from './wavelet-gate';
import { checkFuse, type WGConfig } from './wg-config';

/**
 * WG-Down: wavelet-gated downsampling by 2 (Yang et al. 2023, wavelet gating). DWT, the paper's being Haar's; a gate per
 * subband and channel (or per subband); then a 1x1 convolution of the four gated subbands (`fuse: 'conv'`, the layout that has the published
 * sizes), or their sum X' = sum_b g_b X_b (`fuse: 'sum'`, the paper's formula).
 *
 * State: `gate.0.weight` `[gateHidden, C]`, `gate.2.weight` `[4C, gateHidden]` (`[4, gateHidden]` for band gates), and with
 * `fuse: 'conv'` `fuse.weight` `[C, 4C, 1, 1]` (inputs in the order LL, LH, HL, HH), `fuse.bias` `[C]`.
 */
export class WGDown extends Module {
  readonly gate: WaveletGate;
  readonly fuse: Conv2d | undefined;
  readonly #transform: Required<WaveletOptions>;

  /** @throws {ArgumentError} */
  constructor(readonly config: WGConfig) {
    super();
    const { channels, fuse = 'conv', gate, gateHidden } = config;
    checkInteger('WGDown', 'channels', channels);
    checkFuse('WGDown', fuse);
    this.#transform = checkWaveletOptions('WGDown', config);
    this.gate = this.child('gate', new WaveletGate({ channels, bandChannels: channels, gate, gateHidden }));
    this.fuse =
      fuse === 'conv'
        ? this.child('fuse', new Conv2d({ inChannels: 4 * channels, outChannels: channels, kernel: 1 }))
        : undefined;
  }

  /**
   * @param x `[N, H, W, C]`, of any size. Borrowed.
   * @returns `[N, H', W', C]`, owned by the caller: with periodization ceil(H/2) and ceil(W/2), else as `dwt2d`.
   * @throws {ShapeError}
   */
  forward(x: Tensor4D): Tensor4D {
    this.#check(x);
    return tf.tidy(() => {
      const gated = gatedTransform(x, this.gate.forward(x), this.#transform); // [N, H', W', 4C]
      return this.fuse ? this.fuse.forward(gated) : (tf.addN(tf.split(gated, 4, 3)) as Tensor4D); // [N, H', W', C]
    });
  }

  /**
   * @param x `[N, H, W, C]`. Borrowed.
   * @returns the gates that `forward` applies, in (0, 1): `[N, 4, C]`, or `[N, 4, 1]` for band gates; the bands are LL, LH,
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
    checkInteger('WGDown.macs', 'height', height);
    checkInteger('WGDown.macs', 'width', width);
    const { wavelet, mode } = this.#transform;
    const halved = (length: number) => bandLength(length, filterLength(wavelet), mode);
    return this.gate.macs() + (this.fuse?.macs(halved(height), halved(width)) ?? 0);
  }

  #check(x: Tensor4D): void {
    const { channels } = this.config;
    checkShape('WGDown', 'x', x, ['N', 'H', 'W', channels]);
    const [, h, w] = x.shape;
    if (h === 0 || w === 0) throw new ShapeError('WGDown', 'x', `[N, H >= 1, W >= 1, ${channels}]`, x.shape);
  }
}
