import type { serialization, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import { checkWaveletOptions, type WaveletOptions } from '../wavelet';

/** What every layer takes: name, inputShape, trainable, ... */
export type LayerArgs = ConstructorParameters<typeof layers.Layer>[0];

export type WaveletLayerArgs = LayerArgs & WaveletOptions;

/** Base of the layers: a wavelet and a mode, checked when the layer is made and written to its configuration. */
export abstract class WaveletLayer extends layers.Layer {
  protected readonly transform: Required<WaveletOptions>;

  constructor(args: WaveletLayerArgs) {
    super(args);
    this.transform = checkWaveletOptions(this.getClassName(), args);
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), ...this.transform };
  }
}

/** The one tensor of a layer's input. */
export function singleInput(inputs: Tensor | Tensor[]): Tensor4D {
  return (Array.isArray(inputs) ? inputs[0] : inputs) as Tensor4D;
}
