import { ArgumentError, checkInteger, checkShape } from '@sd/core';
import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Initializer, torchDefaultInit } from './init';
import { Module } from './module';
import type { Parameter } from './parameter';

/** Zero padding in pixels. LDM's UNet pads 1 all around; its autoencoder pads only at the bottom and right. */
export type Padding =
  | number
  | { readonly top: number; readonly bottom: number; readonly left: number; readonly right: number };

export type Conv2dConfig = {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Height and width of the filter. */
  readonly kernel: number;
  readonly stride?: number;
  readonly pad?: Padding;
  readonly bias?: boolean;
  /** Initial weight and bias; torch.nn.Conv2d's by default. */
  readonly init?: Initializer;
};

/** torch.nn.Conv2d on NHWC tensors. State: `weight` OIHW, `bias` unless switched off. */
export class Conv2d extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly #pad: { readonly top: number; readonly bottom: number; readonly left: number; readonly right: number };

  constructor(readonly config: Conv2dConfig) {
    super();
    const { inChannels, outChannels, kernel, stride = 1, pad = 0, bias = true } = config;
    checkInteger('Conv2d', 'inChannels', inChannels);
    checkInteger('Conv2d', 'outChannels', outChannels);
    checkInteger('Conv2d', 'kernel', kernel);
    checkInteger('Conv2d', 'stride', stride);
    const init = config.init ?? torchDefaultInit(inChannels * kernel * kernel);
    this.weight = this.param('weight', [outChannels, inChannels, kernel, kernel], init, 'oihw->hwio');
    this.bias = bias ? this.param('bias', [outChannels], init) : undefined;
    this.#pad = typeof pad === 'number' ? { top: pad, bottom: pad, left: pad, right: pad } : pad;
    for (const [side, width] of Object.entries(this.#pad)) checkInteger('Conv2d', `pad ${side}`, width, 0);
  }

  /**
   * @param x `[N, H, W, inChannels]`. Borrowed.
   * @returns `[N, H', W', outChannels]`, sizes by `outputSize`. Owned by the caller.
   * @throws {ShapeError} @throws {ArgumentError} where the padded input is smaller than the filter.
   */
  forward(x: Tensor4D): Tensor4D {
    const { inChannels, stride = 1 } = this.config;
    checkShape('Conv2d', 'x', x, ['N', 'H', 'W', inChannels]);
    this.outputSize(x.shape[1], x.shape[2]); // throws where the filter does not fit
    const { top, bottom, left, right } = this.#pad;
    return tf.fused.conv2d({
      x,
      filter: this.weight.value as tf.Tensor as Tensor4D,
      strides: stride,
      pad: [
        [0, 0],
        [top, bottom],
        [left, right],
        [0, 0],
      ],
      ...(this.bias ? { bias: this.bias.value as tf.Tensor as tf.Tensor1D } : {}),
    }) as Tensor4D | Tensor3D as Tensor4D;
  }

  /** Height and width of the output for those of the input. @throws {ArgumentError} where the filter does not fit. */
  outputSize(height: number, width: number): [number, number] {
    const { kernel, stride = 1 } = this.config;
    const { top, bottom, left, right } = this.#pad;
    const size = (input: number, pad: number) => Math.floor((input + pad - kernel) / stride) + 1;
    const result: [number, number] = [size(height, top + bottom), size(width, left + right)];
    if (result.some((n) => n < 1)) {
      throw new ArgumentError('Conv2d', 'input size', `at least the ${kernel}x${kernel} filter`, [height, width]);
    }
    return result;
  }

  /** Multiply-accumulates for one sample of this input size. */
  macs(height: number, width: number): number {
    const [outHeight, outWidth] = this.outputSize(height, width);
    return outHeight * outWidth * this.weight.size;
  }
}
