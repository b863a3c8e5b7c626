import { ArgumentError, checkInteger, checkShape } from '@sd/core';
import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import { convolve, type ExplicitPadding } from './convolve';
import { type Initializer, torchDefaultInit } from './init';
import { Module } from './module';
import type { Parameter } from './parameter';
import { upsampledConv2d } from './upsampled-conv2d';

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
    const pad: ExplicitPadding = [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ];
    return convolve(x, ...this.#values(), { strides: stride, pad });
  }

  /**
   * `forward` of `upsampleNearest2x(x)`, by `upsampledConv2d`. Only for 3 x 3 filters of stride 1 that are padded by 1.
   * @param x `[N, H, W, inChannels]`. Borrowed. @returns `[N, 2H, 2W, outChannels]`. Owned by the caller.
   * @throws {ShapeError} @throws {ArgumentError} for another filter, stride or padding.
   */
  forwardUpsampled(x: Tensor4D): Tensor4D {
    const { inChannels, kernel, stride = 1 } = this.config;
    const pads = Object.values(this.#pad);
    if (kernel !== 3 || stride !== 1 || pads.some((pad) => pad !== 1)) {
      const actual = [kernel, stride, ...pads];
      throw new ArgumentError('Conv2d.forwardUpsampled', 'kernel, stride, paddings', '3, 1, all 1', actual);
    }
    checkShape('Conv2d', 'x', x, ['N', 'H', 'W', inChannels]);
    return upsampledConv2d(x, ...this.#values());
  }

  #values(): [filter: Tensor4D, bias: Tensor1D | undefined] {
    return [this.weight.value as Tensor as Tensor4D, this.bias?.value as Tensor1D | undefined];
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
