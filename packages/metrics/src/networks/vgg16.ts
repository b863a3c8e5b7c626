import type { StateDict } from '@sd/checkpoint';
import { Conv2d, type LayoutOptions } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { FeatureNetwork, normalizeColors } from './feature-network';
import { maxPool } from './max-pool';

/** Widths of the convolutions between the poolings. */
const BLOCKS = [
  [64, 64],
  [128, 128],
  [256, 256, 256],
  [512, 512, 512],
  [512, 512, 512],
] as const;

/**
 * The convolutions of VGG16 (Simonyan and Zisserman 2014). Five maps, those that LPIPS compares: relu1_2, relu2_2,
 * relu3_3, relu4_3, relu5_3. State: torchvision's names; its `classifier.*` is passed over.
 */
export class VGG16 extends FeatureNetwork {
  override readonly channels: readonly number[] = BLOCKS.map((widths) => widths[0]);
  readonly #blocks: readonly (readonly Conv2d[])[];

  constructor() {
    super();
    let inChannels = 3;
    let index = 0; // in torchvision's features: a convolution and its activation take two places, a pooling one
    this.#blocks = BLOCKS.map((widths) => {
      const block = widths.map((outChannels) => {
        const conv = this.child(`features.${index}`, new Conv2d({ inChannels, outChannels, kernel: 3, pad: 1 }));
        inChannels = outChannels;
        index += 2;
        return conv;
      });
      index += 1;
      return block;
    });
  }

  override loadStateDict(state: StateDict, options?: LayoutOptions): this {
    return super.loadStateDict(new Map([...state].filter(([name]) => !name.startsWith('classifier.'))), options);
  }

  protected override prepare(images: Tensor4D): Tensor4D {
    return normalizeColors(images);
  }

  protected override stage(x: Tensor4D, depth: number): Tensor4D {
    return tf.tidy(() => {
      const start = depth === 0 ? x : maxPool(x, { kernel: 2, stride: 2 });
      return this.#blocks[depth]!.reduce((y, conv) => tf.relu(conv.forward(y)), start);
    });
  }
}
