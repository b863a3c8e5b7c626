import { ArgumentError, checkInteger, checkShape, ShapeError } from '@sd/core';
import { Conv2d, Module } from '@sd/nn';
import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { applyGates } from './apply-gates';
import { packedDwt } from './haar-packed';
import { WaveletGate } from './wavelet-gate';
import { checkFuse, type WGConfig } from './wg-config';

/**
 * WG-Down: wavelet-gated downsampling by 2 (Yang et al. 2023, wavelet gating). Haar DWT; a gate per subband and channel (or
 * per subband); then a 1x1 convolution of the four gated subbands (`fuse: 'conv'`, the layout that has the published
 * sizes), or their sum X' = sum_b g_b X_b (`fuse: 'sum'`, the paper's formula).
 *
 * State: `gate.0.weight` `[gateHidden, C]`, `gate.2.weight` `[4C, gateHidden]` (`[4, gateHidden]` for band gates), and with
 * `fuse: 'conv'` `fuse.weight` `[C, 4C, 1, 1]` (inputs in the order LL, LH, HL, HH), `fuse.bias` `[C]`.
 */
export class WGDown extends Module {
  readonly gate: WaveletGate;
  readonly fuse: Conv2d | undefined;

  /** @throws {ArgumentError} */
  constructor(readonly config: WGConfig) {
    super();
    const { channels, fuse = 'conv', gate, gateHidden } = config;
    checkInteger('WGDown', 'channels', channels);
    checkFuse('WGDown', fuse);
    this.gate = this.child('gate', new WaveletGate({ channels, bandChannels: channels, gate, gateHidden }));
    this.fuse =
      fuse === 'conv'
        ? this.child('fuse', new Conv2d({ inChannels: 4 * channels, outChannels: channels, kernel: 1 }))
        : undefined;
  }

  /**
   * @param x `[N, H, W, C]`, H and W even. Borrowed.
   * @returns `[N, H/2, W/2, C]`. Owned by the caller.
   * @throws {ShapeError}
   */
  forward(x: Tensor4D): Tensor4D {
    this.#check(x);
    return tf.tidy(() => {
      const gated = applyGates(packedDwt(x), this.gate.forward(x)); // [N, H/2, W/2, 4C]
      return this.fuse ? this.fuse.forward(gated) : (tf.addN(tf.split(gated, 4, 3)) as Tensor4D); // [N, H/2, W/2, C]
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
   * @throws {ArgumentError} on an odd size.
   */
  macs(height: number, width: number): number {
    checkEven('height', height);
    checkEven('width', width);
    return this.gate.macs() + (this.fuse?.macs(height / 2, width / 2) ?? 0);
  }

  #check(x: Tensor4D): void {
    const { channels } = this.config;
    checkShape('WGDown', 'x', x, ['N', 'H', 'W', channels]);
    if (x.shape[1] % 2 !== 0 || x.shape[2] % 2 !== 0) {
      throw new ShapeError('WGDown', 'x', `[N, even, even, ${channels}]`, x.shape);
    }
  }
}

function checkEven(argument: string, size: number): void {
  checkInteger('WGDown.macs', argument, size);
  if (size % 2 !== 0) throw new ArgumentError('WGDown.macs', argument, 'even', size);
}
