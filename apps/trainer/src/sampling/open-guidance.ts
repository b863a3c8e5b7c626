import type { Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Denoiser, NO_CLASS } from '../conditions/denoiser';
import { TextEncoder } from '../conditions/text-encoder';
import type { ClassCondition, DiffusionMetadata, TextCondition } from '../files/weights-file';
import { UserError } from '../user-error';
import { chosenClasses } from './chosen-classes';
import type { Guidance } from './guidance';

/** Options of `sd sample` that say what the samples are of. */
export const GUIDANCE_OPTIONS = ['prompt', 'class', 'negative', 'guidance'] as const;

type GuidanceOption = (typeof GUIDANCE_OPTIONS)[number];

export type GuidanceSettings = {
  readonly prompt?: readonly string[];
  readonly class?: string;
  readonly negative?: string;
  readonly guidance: number;
  /** Options that the user gave, for messages. */
  readonly given: readonly GuidanceOption[];
  /** The folder of the text encoder; asked for by models of texts alone. */
  readonly encoder: () => string;
};

/**
 * What the samples of a model are of; nothing for an unconditional one. Texts are encoded here.
 * @throws {UserError} where the model is not of what the options ask for.
 */
export async function openGuidance(
  denoiser: Denoiser,
  { condition }: DiffusionMetadata,
  settings: GuidanceSettings,
): Promise<(Guidance & { dispose(): void }) | undefined> {
  const { given } = settings;
  const refuse = (option: GuidanceOption, why: string) => {
    if (given.includes(option)) throw new UserError(`--${option}: ${why}`);
  };
  if (!condition) {
    for (const option of given) refuse(option, 'the model has no condition');
    return undefined;
  }
  if (condition.kind === 'class') {
    refuse('prompt', 'the model is of classes: give --class');
    return classGuidance(denoiser, condition, settings);
  }
  refuse('class', 'the model is of texts: give --prompt');
  return textGuidance(denoiser, condition, settings);
}

function classGuidance(
  denoiser: Denoiser,
  condition: ClassCondition,
  { class: classes, negative, guidance: scale }: GuidanceSettings,
): Guidance & { dispose(): void } {
  const all = Array.from({ length: condition.classes }, (_, label) => label);
  const chosen = classes === undefined ? all : chosenClasses('--class', classes, condition);
  const uncondition = negative === undefined ? [NO_CLASS] : chosenClasses('--negative', negative, condition);
  if (uncondition.length !== 1) throw new UserError('--negative: give one class');
  return {
    denoiser,
    scale,
    condition: (first, count) => Array.from({ length: count }, (_, i) => chosen[(first + i) % chosen.length]),
    uncondition,
    dispose: () => {},
  };
}

async function textGuidance(
  denoiser: Denoiser,
  { encoder: identity }: TextCondition,
  { prompt = [], negative = '', guidance: scale, encoder: folder }: GuidanceSettings,
): Promise<Guidance & { dispose(): void }> {
  if (prompt.length === 0) throw new UserError('the model is of texts: give --prompt');
  const encoder = await TextEncoder.open(folder());
  try {
    if (identity !== '' && encoder.identity !== identity) {
      throw new UserError(
        `${folder()} is another text encoder than the model was trained with (SHA-256 ${encoder.identity.slice(0, 12)}, not ${identity.slice(0, 12)})`,
      );
    }
    const contexts = encoder.encode(prompt);
    const uncondition = encoder.encode([negative]);
    return {
      denoiser,
      scale,
      condition: (first, count) => {
        const rows = Array.from({ length: count }, (_, i) => (first + i) % prompt.length);
        return tf.tidy(() => tf.gather(contexts, tf.tensor1d(rows, 'int32')) as Tensor3D); // [count, tokens, width]
      },
      uncondition,
      dispose: () => tf.dispose([contexts, uncondition]),
    };
  } finally {
    encoder.dispose();
  }
}
