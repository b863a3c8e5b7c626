import { ArgumentError, checkInteger, checkShape } from '@sd/core';
import type { Tensor, Tensor1D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { summedTo } from './add';
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
    const pad: ExplicitPadding = [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ];
    const filter = this.weight.value as Tensor as Tensor4D;
    return convolve(x, filter, this.bias?.value as Tensor1D | undefined, { strides: stride, pad });
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

type ExplicitPadding = Parameters<typeof tf.fused.conv2d>[0]['pad'] & [number, number][];
type Attributes = { readonly strides: number; readonly pad: ExplicitPadding };

/**
 * `tf.fused.conv2d`, which keeps its result for the backward pass though it needs it only where there is an activation:
 * this keeps `x` and the filter.
 */
function convolve(x: Tensor4D, filter: Tensor4D, bias: Tensor1D | undefined, attributes: Attributes): Tensor4D {
  const op = tf.customGrad((...args) => {
    const [image, weights] = args as Tensor[] as [Tensor4D, Tensor4D];
    const save = args[bias ? 3 : 2] as unknown as tf.GradSaveFunc;
    save([image, weights]);
    const value = tf.fused.conv2d({ x: image, filter: weights, ...attributes, ...(bias && { bias }) });
    const gradFunc = (dy: Tensor, [savedImage, savedWeights]: Tensor[]) => {
      const gradients = convolutionGradients(savedImage as Tensor4D, savedWeights as Tensor4D, dy, attributes);
      return bias ? [...gradients, summedTo(bias.shape, dy)] : gradients;
    };
    return { value: value as Tensor3D | Tensor4D as Tensor, gradFunc };
  });
  return (bias ? op(x, filter, bias) : op(x, filter)) as Tensor4D;
}

/** By the kernels that tfjs's own gradient calls. */
function convolutionGradients(x: Tensor4D, filter: Tensor4D, dy: Tensor, { strides, pad }: Attributes): Tensor[] {
  const shared = { strides, pad, dataFormat: 'NHWC' };
  const run = (name: string, inputs: tf.NamedTensorMap, attributes: Record<string, unknown>) =>
    tf.engine().runKernel(name, inputs, { ...shared, ...attributes } as unknown as tf.NamedAttrMap) as Tensor;
  return [
    run(tf.Conv2DBackpropInput, { dy, filter }, { inputShape: x.shape }),
    run(tf.Conv2DBackpropFilter, { x, dy }, { filterShape: filter.shape }),
  ];
}
