import { pathToFileURL } from 'node:url';
import type { DiffusionModel, NamedShape } from '@sd/distill';
import type { PredictionType } from '@sd/schedulers';
import * as tf from '@tensorflow/tfjs-core';
import type { Condition } from '../conditions/denoiser';
import { UserError } from '../user-error';

/** A teacher that is not a model of the project: a tf.GraphModel, a tf.LayersModel, or anything that predicts. */
export type TeacherModule = {
  /** The prediction, and features by name. Its tensors are disposed by the caller; called within a tidy. */
  readonly predict: DiffusionModel<Condition>;
  /** What `predict` predicts. */
  readonly predictionType: PredictionType;
  /** Channels of the latents that it takes and gives. */
  readonly channels: number;
  /** Features that `predict` gives, for a latent of the training's size. */
  readonly features?: readonly NamedShape[];
  readonly dispose?: () => void;
};

/**
 * Loads the teacher of a user's own module: its default export is called with tfjs and gives a `TeacherModule`, now or
 * later. @throws {UserError} where the module cannot be loaded or gives something else.
 */
export async function openTeacherModule(path: string): Promise<TeacherModule> {
  let made: unknown;
  try {
    const { default: create } = (await import(/* @vite-ignore */ pathToFileURL(path).href)) as { default?: unknown };
    if (typeof create !== 'function') throw new Error('it has no function as its default export');
    made = await (create as (tfjs: typeof tf) => unknown)(tf);
  } catch (error) {
    throw new UserError(`the teacher ${path} cannot be loaded: ${(error as Error).message}`);
  }
  const problem = problemOf(made);
  if (problem) throw new UserError(`the teacher ${path} gives no teacher: ${problem}`);
  return made as TeacherModule;
}

function problemOf(made: unknown): string | undefined {
  if (typeof made !== 'object' || made === null) return 'expected { predict, predictionType, channels }';
  const { predict, predictionType, channels, features = [] } = made as Record<string, unknown>;
  if (typeof predict !== 'function') return 'predict must be a function (x, t, condition) => { output, features }';
  if (!['epsilon', 'v_prediction', 'sample'].includes(predictionType as string)) {
    return `predictionType must be epsilon, v_prediction or sample, got ${String(predictionType)}`;
  }
  if (!Number.isSafeInteger(channels) || (channels as number) < 1)
    return `channels must be an integer, got ${String(channels)}`;
  const isShape = (shape: Partial<NamedShape> | null) =>
    typeof shape?.name === 'string' && [shape.channels, shape.height, shape.width].every(Number.isSafeInteger);
  if (Array.isArray(features) && features.every(isShape)) return undefined;
  return 'features must be a list of { name, channels, height, width }';
}
