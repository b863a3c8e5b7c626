import { averagePool2x, Module, upsampleNearest2x } from '@sd/nn';
import { WGDown, WGUp } from '@sd/wavelet';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import type { Conditioning } from './conditioning';
import type { ResolvedUNetConfig } from './config';
import { Downsample } from './downsample';
import { Upsample } from './upsample';

export type Direction = 'down' | 'up';

/** A layer that halves or doubles height and width and keeps the channels. */
export type Resampler = Module & {
  forward(x: Tensor4D): Tensor4D;
  macs(height: number, width: number): number;
};

type InnerOptions = Pick<ResolvedUNetConfig, 'resample' | 'wavelet'>;
type Options = InnerOptions & Pick<ResolvedUNetConfig, 'downsamplePadding'>;

/** Between two levels: LDM's convolutional Downsample and Upsample, or the wavelet-gated module in their place. */
export function createResampler(direction: Direction, channels: number, options: Options): Resampler {
  if (options.resample === 'wavelet') return createWavelet(direction, channels, options);
  return direction === 'down'
    ? new Downsample({ channels, pad: options.downsamplePadding })
    : new Upsample({ channels });
}

/** Inside a residual block (`h_upd`, `x_upd`): LDM has no parameters there. */
export function createInnerResampler(direction: Direction, channels: number, options: InnerOptions): Resampler {
  if (options.resample === 'wavelet') return createWavelet(direction, channels, options);
  return direction === 'down' ? new AveragePool() : new NearestUpsample();
}

function createWavelet(direction: Direction, channels: number, { wavelet }: InnerOptions): Resampler {
  const gateHidden = wavelet.gateHidden === 'half' ? channels / 2 : wavelet.gateHidden;
  const config = { ...wavelet, channels, gateHidden };
  return direction === 'down' ? new WGDown(config) : new WGUp(config);
}

/** Leaves the gate values of a wavelet-gated module, where they are wanted, under its name in the state dict. */
export function tapGates(module: Module, x: Tensor4D, { taps, name }: Conditioning): void {
  if (taps?.gates && (module instanceof WGDown || module instanceof WGUp)) taps.gates[name] = module.gates(x);
}

class AveragePool extends Module {
  forward(x: Tensor4D): Tensor4D {
    return averagePool2x(x);
  }

  macs(): number {
    return 0;
  }
}

class NearestUpsample extends Module {
  forward(x: Tensor4D): Tensor4D {
    return upsampleNearest2x(x);
  }

  macs(): number {
    return 0;
  }
}
