import { readSafetensors, type StateDict, toFloat32 } from '@sd/checkpoint';
import { withoutPrefix } from '@sd/nn';
import { golden } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import type { UNetConfig } from '../config';
import { unetConfigFromLdm } from '../ldm-config';
import type { UNetForwardOptions } from '../unet';

/** One model of goldens/ldm_unet.safetensors: LDM's UNetModel in PyTorch, float32. Tensors are owned by the caller. */
export type GoldenVariant = {
  readonly config: UNetConfig;
  readonly parameterCount: number;
  readonly weights: StateDict;
  readonly t: readonly number[];
  readonly x: tf.Tensor4D;
  readonly y: tf.Tensor4D;
  readonly options: UNetForwardOptions;
  /** The output gradient for which `gradX` and `gradients` were taken. */
  readonly gradOut: tf.Tensor4D;
  readonly gradX: tf.Tensor4D;
  /** By parameter name, in memory layout. */
  readonly gradients: ReadonlyMap<string, tf.Tensor>;
};

type Variants = Record<string, { config: Record<string, unknown>; params: number }>;

export const GOLDEN_VARIANTS = ['uncond', 'updown', 'cross', 'classlabel'] as const;

export function goldenVariant(name: (typeof GOLDEN_VARIANTS)[number]): GoldenVariant {
  const file = readSafetensors(golden('ldm_unet.safetensors'));
  const { config, params } = (JSON.parse(file.metadata.configs) as Variants)[name];
  const tensors = withoutPrefix(file.tensors, `${name}/`);
  const read = (key: string, order?: number[]): tf.Tensor => {
    const view = tensors.get(key)!;
    return tf.tidy(() => tf.transpose(tf.tensor(toFloat32(view), [...view.shape]), order));
  };
  const nhwc = (key: string) => read(key, [0, 2, 3, 1]) as tf.Tensor4D;
  // OIHW to HWIO, [out, in] to [in, out]
  const orders: Record<number, number[]> = { 1: [0], 2: [1, 0], 4: [2, 3, 1, 0] };
  const inMemory = (key: string) => read(key, orders[tensors.get(key)!.shape.length]);
  const labels = tensors.get('labels');
  return {
    config: unetConfigFromLdm(config),
    parameterCount: params,
    weights: withoutPrefix(tensors, 'weights/'),
    t: [...toFloat32(tensors.get('t')!)],
    x: nhwc('x'),
    y: nhwc('y'),
    options: {
      ...(tensors.has('context') ? { context: read('context', [0, 1, 2]) as tf.Tensor3D } : {}),
      ...(labels ? { labels: [...toFloat32(labels)] } : {}),
    },
    gradOut: nhwc('grad_out'),
    gradX: nhwc('grad_x'),
    gradients: new Map([...withoutPrefix(tensors, 'grads/').keys()].map((key) => [key, inMemory(`grads/${key}`)])),
  };
}
