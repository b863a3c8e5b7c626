// Values for this package's tests; no part of the package.
import { float32View, readSafetensors, type StateDict, type TensorView, toFloat32, toInt32 } from '@sd/checkpoint';
import { golden } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import type { ClipTextModel } from './clip-text-model';
import { clipTextConfigFromHuggingFace, type HuggingFaceConfig } from './hugging-face-config';

export const reference = readSafetensors(golden('clip_text.safetensors'));
const variants = readSafetensors(golden('clip_text_variants.safetensors'));

/** A tensor of goldens/clip_text_variants.safetensors, or of clip_text.safetensors. */
export function goldenView(name: string): TensorView {
  const view = variants.tensors.get(name) ?? reference.tensors.get(name);
  if (view === undefined) throw new Error(`no golden has ${name}`);
  return view;
}

export function goldenTensor(name: string): tf.Tensor {
  const view = goldenView(name);
  return tf.tensor(toFloat32(view), [...view.shape]);
}

export function goldenIds(name: string): number[][] {
  const { shape } = goldenView(name);
  const ids = [...toInt32(goldenView(name))];
  return Array.from({ length: shape[0] }, (_, i) => ids.slice(i * shape[1], (i + 1) * shape[1]));
}

/** Of the metadata: transformers' own `config.json`. */
export function goldenConfig(name?: string) {
  const json = name === undefined ? reference.metadata.config : variants.metadata[`${name}/config`];
  return clipTextConfigFromHuggingFace(JSON.parse(json) as HuggingFaceConfig);
}

/** The names of a variant's weight gradients, without `NAME/grads/`. */
export function goldenGradients(name: string): string[] {
  const start = `${name}/grads/`;
  return [...variants.tensors.keys()].filter((key) => key.startsWith(start)).map((key) => key.slice(start.length));
}

/** The weights of goldens/clip_text.safetensors. */
export const referenceWeights: StateDict = new Map(
  [...reference.tensors].flatMap(([name, view]): [string, TensorView][] =>
    name.startsWith('weights/') ? [[name.slice('weights/'.length), view]] : [],
  ),
);

/** s of make-clip-text.py. */
export function formula(size: number, idx: number): Float64Array {
  return Float64Array.from({ length: size }, (_, i) => {
    const x = Math.abs(Math.sin(12.9898 * (i + 1) + 78.233 * idx) * 43758.5453);
    return x - Math.floor(x) - 0.5;
  });
}

/** The weights of goldens/clip_text_variants.safetensors. */
export function formulaState(model: ClipTextModel): StateDict {
  const entries = [...model.parameters()].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    entries.map(([name, { torchShape, size }], idx) => {
      const s = formula(size, idx);
      const isNormWeight = name.includes('layer_norm') && name.endsWith('weight');
      const values = s.map((value) => {
        if (torchShape.length === 2) return value * Math.sqrt(12 / torchShape[1]);
        return isNormWeight ? 1 + 0.4 * value : 0.2 * value;
      });
      return [name, float32View(Float32Array.from(values), torchShape)];
    }),
  );
}
