import { ArgumentError, checkInteger, checkShape } from '@sd/core';
import { Linear, Module } from '@sd/nn';
import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { gateValues } from './gate-values';

/** One gate per subband and channel, or one per subband. */
export type GateKind = 'channel' | 'band';

export type WaveletGateConfig = {
  /** Channels of the tensor that the gates are computed from. */
  readonly channels: number;
  /** Channels of each subband that the gates are applied to. */
  readonly bandChannels: number;
  readonly gate?: GateKind;
  /** Width of the hidden layer. */
  readonly gateHidden?: number;
};

/**
 * The gates of the four subbands: Sigmoid(FFN(AvgPool(X))), AvgPool global, FFN of two linear layers without bias and
 * SiLU between them. Yang et al. 2023, wavelet gating.
 *
 * State: `0.weight` `[gateHidden, channels]`, `2.weight` `[4 bandChannels or 4, gateHidden]`, whose rows are the gates of
 * LL, LH, HL, HH in turn.
 */
export class WaveletGate extends Module {
  readonly reduce: Linear;
  readonly expand: Linear;
  /** Gates of one subband: its channels, or 1. */
  readonly gatesPerBand: number;

  constructor(readonly config: WaveletGateConfig) {
    super();
    const { channels, bandChannels, gate = 'channel', gateHidden = 4 } = config;
    checkInteger('WaveletGate', 'channels', channels);
    checkInteger('WaveletGate', 'bandChannels', bandChannels);
    checkInteger('WaveletGate', 'gateHidden', gateHidden);
    if (gate !== 'channel' && gate !== 'band')
      throw new ArgumentError('WaveletGate', 'gate', '"channel" or "band"', gate);
    this.gatesPerBand = gate === 'channel' ? bandChannels : 1;
    this.reduce = this.child('0', new Linear({ inFeatures: channels, outFeatures: gateHidden, bias: false }));
    this.expand = this.child(
      '2',
      new Linear({ inFeatures: gateHidden, outFeatures: 4 * this.gatesPerBand, bias: false }),
    );
  }

  /**
   * @param x `[N, H, W, channels]`. Borrowed.
   * @returns gates in (0, 1), `[N, 4, G]`: the bands LL, LH, HL, HH on axis 1, G = bandChannels or, for 'band', 1. Owned
   * by the caller.
   * @throws {ShapeError}
   */
  forward(x: Tensor4D): Tensor3D {
    checkShape('WaveletGate', 'x', x, ['N', 'H', 'W', this.config.channels]);
    return gateValues(x, this.reduce.weight.value, this.expand.weight.value);
  }

  /** Multiply-accumulates of the linear layers for one sample, of any size. */
  macs(): number {
    return this.reduce.macs() + this.expand.macs();
  }
}
