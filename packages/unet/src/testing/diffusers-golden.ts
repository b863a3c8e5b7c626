import { readSafetensors, type StateDict, toFloat32 } from '@sd/checkpoint';
import { withoutPrefix } from '@sd/nn';
import { golden } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import type { UNetForwardOptions } from '../unet';

/** One model of goldens/diffusers_unet.safetensors. Tensors are owned by the caller. */
export type DiffusersGolden = {
  /** Its config.json. */
  readonly json: Readonly<Record<string, unknown>>;
  readonly weights: StateDict;
  readonly t: readonly number[];
  readonly x: tf.Tensor4D;
  readonly y: tf.Tensor4D;
  readonly options: UNetForwardOptions;
};

export const DIFFUSERS_GOLDENS = ['unet2d', 'unet2d_condition'] as const;

export function diffusersGolden(name: (typeof DIFFUSERS_GOLDENS)[number]): DiffusersGolden {
  const file = readSafetensors(golden('diffusers_unet.safetensors'));
  const configs = JSON.parse(file.metadata.configs) as Record<string, { config: Record<string, unknown> }>;
  const tensors = withoutPrefix(file.tensors, `${name}/`);
  const read = (key: string, order?: number[]): tf.Tensor => {
    const view = tensors.get(key)!;
    return tf.tidy(() => tf.transpose(tf.tensor(toFloat32(view), [...view.shape]), order));
  };
  const nhwc = (key: string) => read(key, [0, 2, 3, 1]) as tf.Tensor4D;
  return {
    json: configs[name].config,
    weights: withoutPrefix(tensors, 'weights/'),
    t: [...toFloat32(tensors.get('t')!)],
    x: nhwc('x'),
    y: nhwc('y'),
    options: tensors.has('context') ? { context: read('context', [0, 1, 2]) as tf.Tensor3D } : {},
  };
}
