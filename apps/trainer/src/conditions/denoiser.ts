import { ArgumentError, checkInteger } from '@sd/core';
import type { ModelOutput } from '@sd/distill';
import { Module } from '@sd/nn';
import { ClassEmbedder, type Timesteps, UNet, type UNetConfig, type UNetForwardOptions } from '@sd/unet';
import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** The class of an image whose condition is left out; a model has a label of its own for it. */
export const NO_CLASS = -1;

/** What images are of: a class for each, or one for all, or the tokens of texts, `[N, tokens, width]`. */
export type Condition = readonly number[] | Tensor3D;

/** How a model takes its condition; `none` where it has none. */
export type ConditionKind = 'none' | 'class' | 'text';

/**
 * A UNet with what turns its condition into numbers and is trained with it: for classes LDM's `cond_stage_model`, an
 * embedding that gives a context of one token, unless the UNet has an embedding of classes itself (`numClasses`). The
 * class after the last is the null class, of images whose condition is left out.
 */
export class Denoiser extends Module {
  readonly unet: UNet;
  /** Of a UNet that sees the class as a context. */
  readonly classEmbedder: ClassEmbedder | undefined;

  /** @param classes of the data, without the null class. @throws {ArgumentError} where they do not fit the UNet. */
  constructor(
    unet: UNetConfig | UNet,
    readonly kind: ConditionKind = 'none',
    readonly classes = 0,
  ) {
    super();
    this.unet = this.child('model.diffusion_model', unet instanceof UNet ? unet : new UNet(unet));
    const { config } = this.unet;
    const problem = conditionProblem(config, kind, classes);
    if (problem !== undefined) throw new ArgumentError('Denoiser', 'unet', problem.expected, problem.actual);
    if (kind === 'class' && config.useSpatialTransformer) {
      const embedder = new ClassEmbedder({ classes: classes + 1, features: config.contextDim as number });
      this.classEmbedder = this.child('cond_stage_model', embedder);
    }
  }

  /** What is trained: the UNet alone, under its own names, where nothing else is. */
  get trained(): Module {
    return this.classEmbedder ? this : this.unet;
  }

  /** @param condition as the kind wants it. Borrowed. @returns `[N, H, W, C]`, owned. @throws {ArgumentError} */
  forward(x: Tensor4D, t: Timesteps, condition?: Condition): Tensor4D {
    return tf.tidy(() => this.unet.forward(x, t, this.#options(x.shape[0], condition)));
  }

  /** `forward` with the decoder's features. All owned by the caller. */
  forwardWithFeatures(x: Tensor4D, t: Timesteps, condition?: Condition): ModelOutput {
    return tf.tidy(() => this.unet.forwardWithFeatures(x, t, this.#options(x.shape[0], condition)));
  }

  #options(count: number, condition: Condition | undefined): UNetForwardOptions {
    if (this.kind === 'none') return {};
    if (condition === undefined) {
      throw new ArgumentError('Denoiser', 'condition', `given: the model's condition is a ${this.kind}`, condition);
    }
    if (this.kind === 'text') {
      if (!(condition instanceof tf.Tensor)) {
        throw new ArgumentError('Denoiser', 'condition', 'a tensor [N, tokens, width]', condition);
      }
      return { context: condition };
    }
    if (condition instanceof tf.Tensor) {
      throw new ArgumentError('Denoiser', 'condition', 'a list of classes', condition.shape);
    }
    const labels = condition.map((label) => this.#label(label));
    const all = labels.length === 1 ? new Array<number>(count).fill(labels[0]) : labels;
    return this.classEmbedder ? { context: this.classEmbedder.forward(all) } : { labels: all };
  }

  #label(label: number): number {
    if (label === NO_CLASS) return this.classes;
    checkInteger('Denoiser', 'class', label, 0);
    if (label >= this.classes) throw new ArgumentError('Denoiser', 'class', `below ${this.classes}`, label);
    return label;
  }
}

/** Does a UNet need a condition? */
export function isConditional({ useSpatialTransformer, numClasses, classEmbedding = 'none' }: UNetConfig): boolean {
  return useSpatialTransformer === true || numClasses !== undefined || classEmbedding !== 'none';
}

/** Why a UNet cannot take such a condition; nothing where it can. */
export function conditionProblem(
  config: UNetConfig,
  kind: ConditionKind,
  classes: number,
): { readonly expected: string; readonly actual: unknown } | undefined {
  const { useSpatialTransformer = false, numClasses } = config;
  const embedding = config.classEmbedding ?? (numClasses === undefined ? 'none' : 'index');
  if (embedding !== 'none' && embedding !== 'index') {
    return { expected: "with classEmbedding 'index' or none", actual: embedding };
  }
  if (kind === 'none') {
    const conditional = useSpatialTransformer ? 'useSpatialTransformer' : numClasses !== undefined ? 'numClasses' : '';
    return conditional === '' ? undefined : { expected: 'unconditional', actual: `one with ${conditional}` };
  }
  if (useSpatialTransformer && embedding === 'index') {
    return { expected: 'with numClasses or useSpatialTransformer, not with both', actual: 'both' };
  }
  if (kind === 'text') {
    return useSpatialTransformer ? undefined : { expected: 'with useSpatialTransformer', actual: 'one without' };
  }
  if (useSpatialTransformer) return undefined;
  if (numClasses === undefined) {
    return { expected: 'with useSpatialTransformer or numClasses', actual: 'one without' };
  }
  if (numClasses === classes + 1) return undefined;
  return { expected: `with numClasses ${classes + 1}: ${classes} classes and the null class`, actual: numClasses };
}
