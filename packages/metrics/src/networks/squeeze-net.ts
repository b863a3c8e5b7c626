import { ArgumentError, checkShape } from '@sd/core';
import { Conv2d, Module, ownLayout, renamed, type StateDictLayout } from '@sd/nn';
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { FeatureNetwork, normalizeColors } from './feature-network';
import { maxPool } from './max-pool';

export type SqueezeNetConfig = {
  /** 1.1 is the one of the `lpips` package. Default '1.0'. */
  readonly version?: '1.0' | '1.1';
  /**
   * Whose weights, which decides names, input and border: 'torchvision', or 'caffe', the authors' own release of 1.0,
   * which takes BGR of 0..255 minus (104, 117, 123) and pads the classifier by 1. Either is given images in [0, 1].
   */
  readonly release?: 'torchvision' | 'caffe';
};

type Fire = { readonly squeeze: number; readonly expand: number };

/** By index in torchvision's `features`: a number is a pooling's place, and what is left out an activation. */
const VERSIONS: Readonly<
  Record<
    '1.0' | '1.1',
    {
      readonly first: { readonly channels: number; readonly kernel: number };
      readonly layers: readonly (Fire | 'pool')[];
      /** Number of layers (from index 2 on) that lie before each map. */
      readonly taps: readonly number[];
    }
  >
> = {
  '1.0': {
    first: { channels: 96, kernel: 7 },
    layers: [
      'pool',
      { squeeze: 16, expand: 64 },
      { squeeze: 16, expand: 64 },
      { squeeze: 32, expand: 128 },
      'pool',
      { squeeze: 32, expand: 128 },
      { squeeze: 48, expand: 192 },
      { squeeze: 48, expand: 192 },
      { squeeze: 64, expand: 256 },
      'pool',
      { squeeze: 64, expand: 256 },
    ],
    taps: [0, 4, 6, 7, 8, 9, 11],
  },
  '1.1': {
    first: { channels: 64, kernel: 3 },
    layers: [
      'pool',
      { squeeze: 16, expand: 64 },
      { squeeze: 16, expand: 64 },
      'pool',
      { squeeze: 32, expand: 128 },
      { squeeze: 32, expand: 128 },
      'pool',
      { squeeze: 48, expand: 192 },
      { squeeze: 48, expand: 192 },
      { squeeze: 64, expand: 256 },
      { squeeze: 64, expand: 256 },
    ],
    taps: [0, 3, 6, 8, 9, 10, 11],
  },
};

const CLASSES = 1000;

/**
 * SqueezeNet (Iandola et al. 2016). Seven maps: the first convolution's and those of fire modules; for version 1.1 the
 * ones that LPIPS compares. State: torchvision's names, or those of the authors' release (`conv1`, `fire2.conv1x1_1`,
 * ..., `conv_final`).
 */
export class SqueezeNet extends FeatureNetwork {
  override readonly channels: readonly number[];
  readonly #first: Conv2d;
  readonly #layers: readonly (FireModule | 'pool')[];
  readonly #taps: readonly number[];
  readonly #classifier: Conv2d;

  /** @throws {ArgumentError} on another version or release, and on the authors' release of 1.1. */
  constructor(readonly config: SqueezeNetConfig = {}) {
    super();
    const { version = '1.0', release = 'torchvision' } = config;
    const architecture = VERSIONS[version];
    if (!architecture) throw new ArgumentError('SqueezeNet', 'version', "'1.0' or '1.1'", version);
    if (release !== 'torchvision' && !(release === 'caffe' && version === '1.0')) {
      throw new ArgumentError('SqueezeNet', 'release', "'torchvision', or 'caffe' of version '1.0'", release);
    }
    const { first, layers, taps } = architecture;
    let inChannels = first.channels;
    const widths = [inChannels];
    this.#first = this.child(
      'features.0',
      new Conv2d({ inChannels: 3, outChannels: inChannels, kernel: first.kernel, stride: 2 }),
    );
    this.#layers = layers.map((layer, i) => {
      if (layer !== 'pool') {
        const fire = this.child(`features.${i + 2}`, new FireModule(inChannels, layer));
        inChannels = 2 * layer.expand;
        widths.push(inChannels);
        return fire;
      }
      widths.push(inChannels);
      return layer;
    });
    this.#taps = taps;
    this.channels = taps.map((layersBefore) => widths[layersBefore]!);
    const pad = release === 'caffe' ? 1 : 0;
    this.#classifier = this.child('classifier.1', new Conv2d({ inChannels, outChannels: CLASSES, kernel: 1, pad }));
  }

  protected override prepare(images: Tensor4D): Tensor4D {
    if (this.config.release !== 'caffe') return normalizeColors(images);
    return tf.tidy(() => tf.sub(tf.mul(tf.reverse(images, 3), 255), tf.tensor1d([104, 117, 123])));
  }

  protected override stage(x: Tensor4D, depth: number): Tensor4D {
    if (depth === 0) return tf.tidy(() => tf.relu(this.#first.forward(x)));
    return tf.tidy(() =>
      this.#layers
        .slice(this.#taps[depth - 1], this.#taps[depth])
        .reduce(
          (y, layer) => (layer === 'pool' ? maxPool(y, { kernel: 3, stride: 2, ceil: true }) : layer.forward(y)),
          x,
        ),
    );
  }

  /**
   * Scores of ImageNet's classes, before the softmax.
   * @param images `[N, H, W, 3]` in [0, 1]. Borrowed. @returns `[N, 1000]`. Owned by the caller.
   * @throws {ShapeError} @throws {ArgumentError} on images that are too small.
   */
  logits(images: Tensor4D): Tensor2D {
    checkShape('SqueezeNet.logits', 'images', images, ['N', 'H', 'W', 3]);
    return tf.tidy(() => {
      const map = this.mapAt(images, this.channels.length - 1);
      return tf.mean<Tensor2D>(tf.relu(this.#classifier.forward(map)), [1, 2]);
    });
  }

  override stateDictLayouts(): readonly StateDictLayout[] {
    if (this.config.release !== 'caffe') return [ownLayout('torchvision', this)];
    const fires = this.#layers.flatMap((layer, i) => (layer === 'pool' ? [] : [`features.${i + 2}`]));
    const names = new Map([
      ['features.0', 'conv1'],
      ['classifier.1', 'conv_final'],
      ...fires.flatMap((own, i): [string, string][] => [
        [`${own}.squeeze`, `fire${i + 2}.conv1x1_1`],
        [`${own}.expand1x1`, `fire${i + 2}.conv1x1_2`],
        [`${own}.expand3x3`, `fire${i + 2}.conv3x3_2`],
      ]),
    ]);
    const tensors = [...this.parameters()].map(([own, { torchShape }]) => {
      const dot = own.lastIndexOf('.');
      return [own, renamed(names.get(own.slice(0, dot)) + own.slice(dot), torchShape)] as const;
    });
    return [{ project: 'SqueezeNet in Caffe', tensors: new Map(tensors) }];
  }
}

class FireModule extends Module {
  readonly squeeze: Conv2d;
  readonly expand1x1: Conv2d;
  readonly expand3x3: Conv2d;

  constructor(inChannels: number, { squeeze, expand }: Fire) {
    super();
    this.squeeze = this.child('squeeze', new Conv2d({ inChannels, outChannels: squeeze, kernel: 1 }));
    const narrow = { inChannels: squeeze, outChannels: expand };
    this.expand1x1 = this.child('expand1x1', new Conv2d({ ...narrow, kernel: 1 }));
    this.expand3x3 = this.child('expand3x3', new Conv2d({ ...narrow, kernel: 3, pad: 1 }));
  }

  forward(x: Tensor4D): Tensor4D {
    return tf.tidy(() => {
      const squeezed = tf.relu(this.squeeze.forward(x));
      return tf.relu(tf.concat([this.expand1x1.forward(squeezed), this.expand3x3.forward(squeezed)], 3));
    });
  }
}
