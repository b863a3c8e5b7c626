import { float64View, type StateDict } from '@sd/checkpoint';
import type { LayoutOptions } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { BasicConv2d, type BasicConv2dConfig } from './basic-conv2d';
import { FeatureNetwork } from './feature-network';
import { maxPool } from './max-pool';
import { type Branch, type Layer, Mixed } from './mixed';

/** Height and width that every image is resized to. */
const SIZE = 299;

const STEM: readonly (readonly [name: string, config: BasicConv2dConfig])[] = [
  ['Conv2d_1a_3x3', { inChannels: 3, outChannels: 32, kernel: [3, 3], stride: 2 }],
  ['Conv2d_2a_3x3', { inChannels: 32, outChannels: 32, kernel: [3, 3] }],
  ['Conv2d_2b_3x3', { inChannels: 32, outChannels: 64, kernel: [3, 3], pad: [1, 1] }],
  ['Conv2d_3b_1x1', { inChannels: 64, outChannels: 80, kernel: [1, 1] }],
  ['Conv2d_4a_3x3', { inChannels: 80, outChannels: 192, kernel: [3, 3] }],
];

function blockA(poolChannels: number): Branch[] {
  return [
    { layers: [['branch1x1', 64, [1, 1]]] },
    {
      layers: [
        ['branch5x5_1', 48, [1, 1]],
        ['branch5x5_2', 64, [5, 5]],
      ],
    },
    {
      layers: [
        ['branch3x3dbl_1', 64, [1, 1]],
        ['branch3x3dbl_2', 96, [3, 3]],
        ['branch3x3dbl_3', 96, [3, 3]],
      ],
    },
    { pool: 'average', layers: [['branch_pool', poolChannels, [1, 1]]] },
  ];
}

function blockB(): Branch[] {
  return [
    { layers: [['branch3x3', 384, [3, 3], 2]] },
    {
      layers: [
        ['branch3x3dbl_1', 64, [1, 1]],
        ['branch3x3dbl_2', 96, [3, 3]],
        ['branch3x3dbl_3', 96, [3, 3], 2],
      ],
    },
    { pool: 'max, stride 2', layers: [] },
  ];
}

function blockC(width: number): Branch[] {
  return [
    { layers: [['branch1x1', 192, [1, 1]]] },
    {
      layers: [
        ['branch7x7_1', width, [1, 1]],
        ['branch7x7_2', width, [1, 7]],
        ['branch7x7_3', 192, [7, 1]],
      ],
    },
    {
      layers: [
        ['branch7x7dbl_1', width, [1, 1]],
        ['branch7x7dbl_2', width, [7, 1]],
        ['branch7x7dbl_3', width, [1, 7]],
        ['branch7x7dbl_4', width, [7, 1]],
        ['branch7x7dbl_5', 192, [1, 7]],
      ],
    },
    { pool: 'average', layers: [['branch_pool', 192, [1, 1]]] },
  ];
}

function blockD(): Branch[] {
  return [
    {
      layers: [
        ['branch3x3_1', 192, [1, 1]],
        ['branch3x3_2', 320, [3, 3], 2],
      ],
    },
    {
      layers: [
        ['branch7x7x3_1', 192, [1, 1]],
        ['branch7x7x3_2', 192, [1, 7]],
        ['branch7x7x3_3', 192, [7, 1]],
        ['branch7x7x3_4', 192, [3, 3], 2],
      ],
    },
    { pool: 'max, stride 2', layers: [] },
  ];
}

function blockE(pool: 'average' | 'max'): Branch[] {
  const sides = (name: string): [Layer, Layer] => [
    [`${name}a`, 384, [1, 3]],
    [`${name}b`, 384, [3, 1]],
  ];
  return [
    { layers: [['branch1x1', 320, [1, 1]]] },
    { layers: [['branch3x3_1', 384, [1, 1]]], fork: sides('branch3x3_2') },
    {
      layers: [
        ['branch3x3dbl_1', 448, [1, 1]],
        ['branch3x3dbl_2', 384, [3, 3]],
      ],
      fork: sides('branch3x3dbl_3'),
    },
    { pool, layers: [['branch_pool', 192, [1, 1]]] },
  ];
}

/** By the depth to which they lead: the blocks of 768 channels, and those of 2048. */
const MIXED: readonly (readonly (readonly [name: string, branches: readonly Branch[]])[])[] = [
  [
    ['Mixed_5b', blockA(32)],
    ['Mixed_5c', blockA(64)],
    ['Mixed_5d', blockA(64)],
    ['Mixed_6a', blockB()],
    ['Mixed_6b', blockC(128)],
    ['Mixed_6c', blockC(160)],
    ['Mixed_6d', blockC(160)],
    ['Mixed_6e', blockC(192)],
  ],
  [
    ['Mixed_7a', blockD()],
    ['Mixed_7b', blockE('average')],
    ['Mixed_7c', blockE('max')],
  ],
];

/**
 * Inception v3 as FID uses it (pytorch-fid): the network of TensorFlow of 2015-12-05. Images of any size in [0, 1] are
 * resized to 299 x 299, bilinear without antialiasing, and scaled to [-1, 1]; average poolings do not count the padding,
 * and the last block pools by maxima. Four maps of 64, 192, 768 and 2048 channels; FID compares the means of the last.
 *
 * State: the names of pytorch-fid's file (`Conv2d_1a_3x3.conv.weight`, ...); its classifier `fc.*` is passed over, and
 * counts of batches, `num_batches_tracked`, may be missing.
 */
export class InceptionV3 extends FeatureNetwork {
  override readonly channels: readonly number[] = [64, 192, 768, 2048];
  readonly #stem: readonly BasicConv2d[];
  readonly #mixed: readonly (readonly Mixed[])[];

  constructor() {
    super();
    this.#stem = STEM.map(([name, config]) => this.child(name, new BasicConv2d(config)));
    let inChannels = STEM.at(-1)![1].outChannels;
    this.#mixed = MIXED.map((blocks) =>
      blocks.map(([name, branches]) => {
        const block = this.child(name, new Mixed(inChannels, branches));
        inChannels = block.outChannels;
        return block;
      }),
    );
  }

  override loadStateDict(state: StateDict, options?: LayoutOptions): this {
    const own = new Map([...state].filter(([name]) => !name.startsWith('fc.')));
    for (const name of this.buffers().keys()) {
      if (name.endsWith('num_batches_tracked') && !own.has(name)) own.set(name, float64View(new Float64Array(1), []));
    }
    return super.loadStateDict(own, options);
  }

  /** Multiply-accumulates for the features of one image. */
  macs(): number {
    const pool = (size: readonly [number, number]) => size.map((n) => (n - 3) / 2 + 1) as [number, number];
    let size: readonly [number, number] = [SIZE, SIZE];
    let total = 0;
    for (const [i, layer] of [...this.#stem, ...this.#mixed.flat()].entries()) {
      const cost = layer.cost(...size);
      total += cost.macs;
      size = i === 2 || i === 4 ? pool(cost.size) : cost.size;
    }
    return total;
  }

  protected override prepare(images: Tensor4D): Tensor4D {
    return tf.tidy(() => {
      const resized = tf.image.resizeBilinear(images, [SIZE, SIZE], false, true);
      return tf.sub(tf.mul(resized, 2), 1);
    });
  }

  protected override stage(x: Tensor4D, depth: number): Tensor4D {
    const layers = depth === 0 ? this.#stem.slice(0, 3) : depth === 1 ? this.#stem.slice(3) : this.#mixed[depth - 2]!;
    return tf.tidy(() => {
      const y = run(layers, x);
      return depth < 2 ? maxPool(y, { kernel: 3, stride: 2 }) : y;
    });
  }
}

/** The layers in turn; the maps between them are freed on the way. */
function run(layers: readonly (BasicConv2d | Mixed)[], x: Tensor4D): Tensor4D {
  const last = layers.at(-1);
  if (last === undefined) return x;
  return tf.tidy(() => last.forward(run(layers.slice(0, -1), x)));
}
