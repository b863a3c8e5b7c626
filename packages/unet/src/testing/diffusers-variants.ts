import { float32View, readSafetensors, type StateDict, toFloat32 } from '@sd/checkpoint';
import { withoutPrefix } from '@sd/nn';
import { golden } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { unetConfigFromDiffusers } from '../diffusers-config';
import { UNet, type UNetForwardOptions } from '../unet';

/** A model of goldens/diffusers_variants.safetensors, whose weights and inputs are made by the formulas of its generator. */
export type DiffusersVariant = {
  readonly json: Readonly<Record<string, unknown>>;
  /** Under diffusers' names. */
  readonly weights: StateDict;
  readonly x: tf.Tensor4D;
  readonly t: readonly number[];
  readonly options: UNetForwardOptions;
  readonly y: tf.Tensor4D;
  readonly gradOut: tf.Tensor4D;
  readonly gradX: tf.Tensor4D;
  /** Under diffusers' names, in PyTorch's layout. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
};

export const DIFFUSERS_VARIANTS = ['ddpm', 'resnet', 'plain', 'groups', 'linear', 'xl', 'headless'] as const;

/** Tensors are owned by the caller. */
export function diffusersVariant(name: (typeof DIFFUSERS_VARIANTS)[number]): DiffusersVariant {
  const file = readSafetensors(golden('diffusers_variants.safetensors'));
  const json = (JSON.parse(file.metadata.configs) as Record<string, Record<string, unknown>>)[name];
  const tensors = withoutPrefix(file.tensors, `${name}/`);
  const nhwc = (key: string) => {
    const view = tensors.get(key)!;
    return imageOf(toFloat32(view), view.shape);
  };
  const context = json._class_name === 'UNet2DConditionModel' ? { context: other([2, 5, 6], 2) as tf.Tensor3D } : {};
  const conditions: Partial<Record<typeof name, UNetForwardOptions>> = {
    resnet: { labels: [3, 1] },
    headless: { labels: [0, 3] },
    plain: { labels: [4, 250] },
    groups: { labels: other([2, 32], 3) as tf.Tensor2D },
    linear: { labels: other([2, 7], 3) as tf.Tensor2D, timeCondition: other([2, 5], 4) as tf.Tensor2D },
    xl: {
      labels: {
        text: other([2, 5], 5) as tf.Tensor2D,
        timeIds: [
          [8, 8, 0, 0, 8, 8],
          [4, 8, 1, 2, 8, 6],
        ],
      },
    },
  };
  return {
    json,
    weights: weightsByFormula(json),
    x: imageOf(formula([2, 3, 8, 8], 1000, 2), [2, 3, 8, 8]),
    t: [10, 900],
    options: { ...context, ...conditions[name] },
    y: nhwc('y'),
    gradOut: imageOf(formula([2, 2, 8, 8], 1001, 2), [2, 2, 8, 8]),
    gradX: nhwc('grad_x'),
    gradients: new Map([...withoutPrefix(tensors, 'grads/')].map(([key, view]) => [key, toFloat32(view)])),
  };
}

function weightsByFormula(json: Readonly<Record<string, unknown>>): StateDict {
  const layout = new UNet(unetConfigFromDiffusers(json))
    .stateDictLayouts()
    .find(({ project }) => project === 'diffusers')!;
  const sources = [...layout.tensors.values()].flatMap((mapping) => mapping.sources);
  const sorted = sources.sort((a, b) => (a.name < b.name ? -1 : 1));
  return new Map(sorted.map(({ name, shape }, index) => [name, float32View(weight(name, shape, index), shape)]));
}

function weight(name: string, shape: readonly number[], index: number): Float32Array {
  if (shape.length >= 2) {
    const fanIn = shape.slice(1).reduce((product, size) => product * size, 1);
    return formula(shape, index, Math.sqrt(12 / fanIn));
  }
  const isNorm = /(norm\d?|norm_out)\.weight$/.test(name);
  return isNorm ? formula(shape, index, 0.4, 1) : formula(shape, index, 0.2);
}

function formula(shape: readonly number[], index: number, scale: number, shift = 0): Float32Array {
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  return Float32Array.from({ length: size }, (_, i) => {
    const x = Math.abs(Math.sin(12.9898 * (i + 1) + 78.233 * index) * 43758.5453);
    return shift + scale * (x - Math.floor(x) - 0.5);
  });
}

function other(shape: number[], k: number): tf.Tensor {
  return tf.tensor(formula(shape, 1000 + k, 2), shape);
}

function imageOf(nchw: Float32Array, shape: readonly number[]): tf.Tensor4D {
  return tf.tidy(() => tf.transpose(tf.tensor4d(nchw, shape as [number, number, number, number]), [0, 2, 3, 1]));
}
