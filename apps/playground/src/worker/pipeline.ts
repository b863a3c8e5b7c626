import type { Autoencoder, AutoencoderTiny } from '@sd/autoencoder';
import { type Scheduler, withGuidance } from '@sd/schedulers';
import type { ClassEmbedder, UNet } from '@sd/unet';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../user-error';

/** Any first stage, with what makes latents of it as the diffusion model has them: (z - shift) scale. */
export type FirstStage = {
  readonly network: Autoencoder | AutoencoderTiny;
  readonly scale: number;
  readonly shift: number;
};

/** How a model is told what to make. */
export type Condition =
  | { readonly kind: 'none' }
  /** A row for each label, added to the time embedding; `none` is the label that means none, where one is known to. */
  | { readonly kind: 'labels'; readonly count: number; readonly none: number | null }
  /** LDM's embedded classes, as a context of one token. */
  | { readonly kind: 'classes'; readonly embedder: ClassEmbedder };

/** A denoiser with all that makes pictures of its predictions. */
export type Pipeline = {
  readonly unet: UNet;
  /** As the model was saved with: its process, its prediction type and its own sampler. */
  readonly scheduler: Scheduler;
  /** Null for a model of pixels. */
  readonly firstStage: FirstStage | null;
  readonly condition: Condition;
  readonly label: string;
  /** What was found and assumed, in sentences. */
  readonly notes: readonly string[];
};

export type ConditionChoice = { readonly label: number; readonly guidance: number };

/** The model as samplers call it. @throws {UserError} on a label that it does not have. */
export function denoiser(
  { unet, condition }: Pipeline,
  { label, guidance }: ConditionChoice,
): (x: Tensor4D, t: number) => Tensor4D {
  if (condition.kind === 'none') return (x, t) => unet.forward(x, t);
  const count = condition.kind === 'labels' ? condition.count : condition.embedder.none;
  if (label >= count) throw new UserError(`class: the model has 0 to ${count - 1}, not ${label}`);
  if (condition.kind === 'labels') {
    const { none } = condition;
    if (none === null) return (x, t) => unet.forward(x, t, { labels: new Array<number>(x.shape[0]).fill(label) });
    const labelled = (x: Tensor4D, t: number, labels: readonly number[]) => unet.forward(x, t, { labels });
    return withGuidance(labelled, { scale: guidance, condition: [label], uncondition: [none] });
  }
  const { embedder } = condition;
  const embedded = (x: Tensor4D, t: number, labels: readonly number[]) =>
    tf.tidy(() => unet.forward(x, t, { context: embedder.forward(labels) }));
  return withGuidance(embedded, { scale: guidance, condition: [label], uncondition: [embedder.none] });
}

/** Images of latents, clamped to [-1, 1]. @param latents borrowed. @returns `[N, H, W, 1 or 3]`. Owned by the caller. */
export function decode({ firstStage }: Pick<Pipeline, 'firstStage'>, latents: Tensor4D): Tensor4D {
  return tf.tidy(() => {
    if (firstStage === null) return tf.clipByValue(latents, -1, 1);
    const { network, scale, shift } = firstStage;
    const z = tf.add(tf.div(latents, scale), shift) as Tensor4D;
    const images = network.decode(z);
    const signed = network.kind === 'tiny' && network.config.range === 'unit' ? tf.sub(tf.mul(images, 2), 1) : images;
    return tf.clipByValue(signed, -1, 1) as Tensor4D;
  });
}

/** Latents of images in [-1, 1] as the model has them. @param images borrowed. @returns owned by the caller. */
export function encode({ firstStage }: Pick<Pipeline, 'firstStage'>, images: Tensor4D): Tensor4D {
  return tf.tidy(() => {
    if (firstStage === null) return tf.clone(images);
    const { network, scale, shift } = firstStage;
    return tf.mul(tf.sub(latentOf(network, images), shift), scale) as Tensor4D;
  });
}

/** The latent itself, of a KL first stage the mean. Call inside a tidy. */
export function latentOf(network: FirstStage['network'], images: Tensor4D): Tensor4D {
  if (network.kind === 'kl') return network.encode(images).mode();
  if (network.kind === 'vq') return network.encode(images);
  return network.encode(network.config.range === 'unit' ? tf.div(tf.add(images, 1), 2) : images);
}

/** How many times smaller than an image its latent is. */
export function factorOf(firstStage: FirstStage | null): number {
  if (firstStage === null) return 1;
  const { config } = firstStage.network;
  return 2 ** ((config.kind === 'tiny' ? config.encoderBlocks.length : config.chMult.length) - 1);
}

export function latentChannels({ network: { config } }: FirstStage): number {
  return config.kind === 'tiny' ? config.latentChannels : config.embedDim;
}
