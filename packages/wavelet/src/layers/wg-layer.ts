import type { Module } from '@sd/nn';
import type { serialization, Tensor, Tensor1D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import { fused } from '@tensorflow/tfjs-core';
import { initializers, type LayerVariable, type Shape } from '@tensorflow/tfjs-layers';
import { gateValues } from '../gate-values';
import type { GateKind } from '../wavelet-gate';
import type { FuseKind, WGConfig } from '../wg-config';
import { imageShape } from './image-shape';
import { WaveletLayer, type WaveletLayerArgs } from './wavelet-layer';

/** The channels are those of the input. */
export type WGLayerArgs = WaveletLayerArgs & {
  readonly fuse?: FuseKind;
  readonly gate?: GateKind;
  readonly gateHidden?: number;
  /** Of the initial weights; without it they are different each time. */
  readonly seed?: number;
};

/** Any number of channels that every configuration allows, to check the others before the input is known. */
const SOME_CHANNELS = 4;

/** Base of `WGDown` and `WGUp`: their weights, under the names and in the memory layouts of the modules. */
export abstract class WGLayer extends WaveletLayer {
  protected readonly options: Required<Omit<WGConfig, 'channels'>>;
  readonly #seed: number | undefined;
  readonly #weights = new Map<string, LayerVariable>();

  constructor(args: WGLayerArgs) {
    super(args);
    const { fuse = 'conv', gate = 'channel', gateHidden = 4, seed } = args;
    this.options = { fuse, gate, gateHidden, ...this.transform };
    this.#seed = seed;
    this.module(SOME_CHANNELS); // throws where an option is wrong
  }

  /** The module of this configuration. It takes no memory: its parameters are not used, only their names and shapes. */
  protected abstract module(channels: number): Module;

  override build(inputShape: Shape | Shape[]): void {
    const channels = imageShape(this.getClassName(), inputShape)[3];
    const parameters = [...this.module(channels).parameters()];
    for (const [i, [name, { shape }]] of parameters.entries()) {
      // As torch: uniform within 1 / sqrt(fan in); a bias has that of the weight before it.
      const fanIn = (shape.length > 1 ? shape : parameters[i - 1][1].shape).at(-2) as number;
      const bound = 1 / Math.sqrt(fanIn);
      const seed = this.#seed === undefined ? undefined : this.#seed + i;
      const initializer = initializers.randomUniform({ minval: -bound, maxval: bound, seed });
      this.#weights.set(name, this.addWeight(name, [...shape], 'float32', initializer));
    }
    super.build(inputShape);
  }

  /**
   * @param x `[N, H, W, C]`. Borrowed. @returns the gates that the layer applies, in (0, 1): `[N, 4, G]`, LL, LH, HL, HH on
   * axis 1. Owned by the caller.
   */
  gates(x: Tensor4D): Tensor3D {
    return gateValues(x, this.#weight('gate.0.weight'), this.#weight('gate.2.weight'));
  }

  /** The 1x1 convolution of gated subbands. */
  protected fuse(x: Tensor4D): Tensor4D {
    const filter = this.#weight('fuse.weight') as Tensor4D;
    const bias = this.#weight('fuse.bias') as Tensor1D;
    return fused.conv2d({ x, filter, strides: 1, pad: 'valid', bias }) as Tensor as Tensor4D;
  }

  override getConfig(): serialization.ConfigDict {
    const { fuse, gate, gateHidden } = this.options;
    const config: serialization.ConfigDict = { ...super.getConfig(), fuse, gate, gateHidden };
    if (this.#seed !== undefined) config.seed = this.#seed;
    return config;
  }

  #weight(name: string): Tensor {
    return (this.#weights.get(name) as LayerVariable).read();
  }
}
