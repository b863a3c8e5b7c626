import type { Autoencoder, AutoencoderTiny } from '@sd/autoencoder';
import type { ClipTextModel, ClipTokenizer } from '@sd/clip';
import { type Scheduler, withGuidance } from '@sd/schedulers';
import type { ClassEmbedder, UNet, UNetForwardOptions } from '@sd/unet';
import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../user-error';

/** Any first stage, with what makes latents of it as the diffusion model has them: (z - shift) scale. */
export type FirstStage = {
  readonly network: Autoencoder | AutoencoderTiny;
  readonly scale: number;
  readonly shift: number;
};

/** What makes a context of a prompt. */
export type PromptEncoder = { readonly model: ClipTextModel; readonly tokenizer: ClipTokenizer };

/** How a model is told what to make; `names` are those of its classes, where they are known. */
export type Condition =
  | { readonly kind: 'none' }
  /** A row for each label, added to the time embedding; `none` is the label that means none, where one is known to. */
  | { readonly kind: 'labels'; readonly count: number; readonly none: number | null; readonly names: readonly string[] }
  /** LDM's embedded classes, as a context of one token. */
  | { readonly kind: 'classes'; readonly embedder: ClassEmbedder; readonly names: readonly string[] }
  /** Texts, as a context of their tokens. */
  | { readonly kind: 'text'; readonly encoder: PromptEncoder };

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

/** What the settings say of it; what the model does not take is passed over. */
export type ConditionChoice = {
  readonly label: number;
  readonly prompt: string;
  /** What the images are led away from; the empty text by default. */
  readonly negative: string;
  readonly guidance: number;
};

export type Denoiser = {
  /** The model as samplers call it. Borrows x, and its result is the caller's. */
  readonly predict: (x: Tensor4D, t: number) => Tensor4D;
  dispose(): void;
};

/** The model of what is chosen; prompts are encoded here. @throws {UserError} on a label that it does not have. */
export function denoiser({ unet, condition }: Pipeline, choice: ConditionChoice): Denoiser {
  const { label, prompt, negative, guidance: scale } = choice;
  const dispose = () => {};
  if (condition.kind === 'none') return { predict: (x, t) => unet.forward(x, t), dispose };
  if (condition.kind === 'text') {
    const [context, uncondition] = [prompt, negative].map((text) => encodePrompt(condition.encoder, text));
    const attending = (x: Tensor4D, t: number, tokens: Tensor3D) => unet.forward(x, t, { context: tokens });
    const predict = withGuidance(attending, { scale, condition: context, uncondition });
    return { predict, dispose: () => tf.dispose([context, uncondition]) };
  }
  const count = classCount(condition);
  if (label >= count) throw new UserError(`class: the model has 0 to ${count - 1}, not ${label}`);
  const labelled = (x: Tensor4D, t: number, labels: readonly number[]) =>
    tf.tidy(() => unet.forward(x, t, labelOptions(condition, labels)));
  const none = condition.kind === 'labels' ? condition.none : condition.embedder.none;
  if (none === null) {
    return { predict: (x, t) => labelled(x, t, new Array<number>(x.shape[0]).fill(label)), dispose };
  }
  return { predict: withGuidance(labelled, { scale, condition: [label], uncondition: [none] }), dispose };
}

/** Number of classes that can be asked for; 0 for a model that takes none. */
export function classCount(condition: Condition): number {
  if (condition.kind === 'labels') return condition.count;
  return condition.kind === 'classes' ? condition.embedder.none : 0;
}

/** What the UNet is told besides x and t for one label a sample. Call inside a tidy. */
export function labelOptions(
  condition: Extract<Condition, { kind: 'labels' | 'classes' }>,
  labels: readonly number[],
): UNetForwardOptions {
  return condition.kind === 'labels' ? { labels } : { context: condition.embedder.forward(labels) };
}

/** `[1, tokens, width]`. Owned by the caller. A text that is too long is cut. */
export function encodePrompt({ model, tokenizer }: PromptEncoder, text: string): Tensor3D {
  return model.context([tokenizer.encode(text)]);
}

/** Images of latents, clamped to [-1, 1]. @param latents borrowed. @returns `[N, H, W, 1 or 3]`. Owned by the caller. */
export function decode({ firstStage }: Pick<Pipeline, 'firstStage'>, latents: Tensor4D): Tensor4D {
  return tf.tidy(() => {
    if (firstStage === null) return tf.clipByValue(latents, -1, 1);
    const { network, scale, shift } = firstStage;
    const z = tf.add(tf.div(latents, scale), shift) as Tensor4D;
    return tf.clipByValue(toSigned(network, network.decode(z)), -1, 1) as Tensor4D;
  });
}

/** Images as a first stage decodes them, to [-1, 1]. Call inside a tidy. */
export function toSigned(network: FirstStage['network'], images: Tensor4D): Tensor4D {
  return isOfUnit(network) ? tf.sub(tf.mul(images, 2), 1) : images;
}

/** Images in [-1, 1], as a first stage encodes them. Call inside a tidy. */
export function fromSigned(network: FirstStage['network'], images: Tensor4D): Tensor4D {
  return isOfUnit(network) ? tf.div(tf.add(images, 1), 2) : tf.clone(images);
}

/** Does it work on images in [0, 1]? */
function isOfUnit(network: FirstStage['network']): boolean {
  return network.kind === 'tiny' && network.config.range === 'unit';
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
