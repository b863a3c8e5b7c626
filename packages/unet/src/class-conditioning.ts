import { ArgumentError, checkShape, ShapeError } from '@sd/core';
import { Embedding } from '@sd/nn';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { ResolvedUNetConfig } from './config';
import { EmbeddingMlp } from './embedding-mlp';
import { timestepEmbedding } from './timestep-embedding';

/** What SDXL adds to the time embedding: a pooled text embedding, and sizes and crops of the image. */
export type TextTimeCondition = {
  /** `[N, width]`. Borrowed. */
  readonly text: Tensor2D;
  /** As many integers for every sample; in SDXL the original size, the crop's top and left, the size wanted. */
  readonly timeIds: readonly (readonly number[])[];
};

/** By the configuration's `classEmbedding`: 'index' and 'timestep' one number a sample, 'projection' and 'identity' `[N, width]`. */
export type Labels = readonly number[] | Tensor2D | TextTimeCondition;

/** The module named `label_emb` in LDM's state dict, and what comes after the name. */
export type ClassModule = { readonly name: string; readonly module: Embedding | EmbeddingMlp };

/** State: `label_emb.weight`, a row for each label; or `label_emb.0.0` and `.2`, LDM's kind 'sequential'. */
export function createClassModule(config: ResolvedUNetConfig): ClassModule | undefined {
  const { classEmbedding, numClasses, classEmbeddingDim, modelChannels, timeEmbeddingDim } = config;
  if (classEmbedding === 'none' || classEmbedding === 'identity') return undefined;
  if (classEmbedding === 'index') {
    const module = new Embedding({ count: numClasses as number, features: timeEmbeddingDim });
    return { name: 'label_emb', module };
  }
  const inFeatures = classEmbedding === 'timestep' ? modelChannels : (classEmbeddingDim as number);
  return { name: 'label_emb.0', module: new EmbeddingMlp({ inFeatures, outFeatures: timeEmbeddingDim }) };
}

/**
 * What is added to the time embedding.
 * @param labels checked by `checkLabels`. Borrowed. @returns `[N, timeEmbeddingDim]`. Call inside a tidy.
 */
export function embedLabels(
  labels: Labels,
  module: Embedding | EmbeddingMlp | undefined,
  config: ResolvedUNetConfig,
): Tensor2D {
  if (module instanceof Embedding) return module.forward(labels as readonly number[]);
  if (!module) return labels as Tensor2D;
  return module.forward(classVector(labels, config));
}

function classVector(labels: Labels, config: ResolvedUNetConfig): Tensor2D {
  if (labels instanceof tf.Tensor) return labels;
  if (!isTextTime(labels)) return timestepEmbedding(labels, config.modelChannels, config);
  const { text, timeIds } = labels;
  const n = text.shape[0];
  const times = timestepEmbedding(timeIds.flat(), config.additionTimeDim as number, config); // [N ids, width]
  return tf.concat2d([text, tf.reshape(times, [n, -1])], 1); // [N, classEmbeddingDim]
}

/** @throws {ArgumentError} @throws {ShapeError} where the labels are not those of the configuration, for n samples. */
export function checkLabels(labels: Labels | undefined, n: number, config: ResolvedUNetConfig): void {
  const { classEmbedding, timeEmbeddingDim, classEmbeddingDim } = config;
  if (classEmbedding === 'none') {
    if (labels === undefined) return;
    throw new ArgumentError('UNet', 'labels', 'left out, this is not a model with numClasses', described(labels));
  }
  if (labels === undefined) {
    const model = classEmbedding === 'index' ? 'numClasses' : `classEmbedding '${classEmbedding}'`;
    throw new ArgumentError('UNet', 'labels', `given, for a model with ${model}`, labels);
  }
  if (classEmbedding === 'text-time') {
    if (!isTextTime(labels)) throw new ArgumentError('UNet', 'labels', '{ text, timeIds }', described(labels));
    checkTextTime(labels, n, config);
  } else if (classEmbedding === 'index' || classEmbedding === 'timestep') {
    const what = classEmbedding === 'index' ? 'class index' : 'number';
    if (!Array.isArray(labels) || labels.length !== n) {
      throw new ArgumentError('UNet', 'labels', `one ${what} per sample, ${n}`, described(labels));
    }
  } else {
    const width = classEmbedding === 'identity' ? timeEmbeddingDim : (classEmbeddingDim as number);
    if (!(labels instanceof tf.Tensor)) {
      throw new ArgumentError('UNet', 'labels', `a tensor [${n}, ${width}]`, described(labels));
    }
    checkShape('UNet', 'labels', labels, [n, width]);
  }
}

function checkTextTime({ text, timeIds }: TextTimeCondition, n: number, config: ResolvedUNetConfig): void {
  checkShape('UNet', 'labels.text', text, [n, 'width']);
  const ids = timeIds[0]?.length ?? 0;
  if (timeIds.length !== n || timeIds.some((row) => row.length !== ids)) {
    throw new ArgumentError('UNet', 'labels.timeIds', `${n} lists of the same length`, timeIds);
  }
  const { classEmbeddingDim, additionTimeDim = 0 } = config;
  const width = (classEmbeddingDim as number) - ids * additionTimeDim;
  if (text.shape[1] !== width) {
    const expected = `[${n}, ${width}], so that it is ${classEmbeddingDim} wide with ${ids} numbers of ${additionTimeDim}`;
    throw new ShapeError('UNet', 'labels.text', expected, text.shape);
  }
}

function isTextTime(labels: Labels): labels is TextTimeCondition {
  return !Array.isArray(labels) && 'timeIds' in labels;
}

function described(labels: Labels): unknown {
  if (labels instanceof tf.Tensor) return labels.shape;
  return isTextTime(labels) ? { timeIds: labels.timeIds } : labels;
}
