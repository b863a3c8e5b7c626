import { ArgumentError } from '@sd/core';
import type { WaveletOptions } from './wavelet';
import type { GateKind } from './wavelet-gate';

/** What mixes the gated subbands: a 1x1 convolution, or (WGDown only) their sum, as the paper's text has it. */
export type FuseKind = 'conv' | 'sum';

/** The wavelet and the mode are Haar and periodization by default, and have no influence on the parameters. */
export type WGConfig = WaveletOptions & {
  /** Channels of the input and of the output. */
  readonly channels: number;
  readonly fuse?: FuseKind;
  readonly gate?: GateKind;
  /** Width of the hidden layer of the gates. */
  readonly gateHidden?: number;
};

/** @throws {ArgumentError} */
export function checkFuse(operation: string, fuse: FuseKind): void {
  if (fuse !== 'conv' && fuse !== 'sum') throw new ArgumentError(operation, 'fuse', '"conv" or "sum"', fuse);
}
