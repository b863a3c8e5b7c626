import { ClassEmbedder } from '@sd/unet';
import { UserError } from '../user-error';
import { findPromptEncoder } from './find-prompt-encoder';
import type { Found } from './find-unet';
import { planned } from './fitting';
import type { Part } from './load-parts';
import { under } from './open-weights';
import { explained } from './own-files';
import type { Condition } from './pipeline';
import type { Drop } from './read-drop';

const CLASSES_PREFIX = 'cond_stage_model.embedding.';

/** How the denoiser is told what to make, with what has to be loaded for it. @throws {UserError} where that is missing. */
export async function findCondition(
  drop: Drop,
  found: Found,
): Promise<{ readonly condition: Condition; readonly parts: readonly Part[] }> {
  const { unet, weights, whole, said } = found;
  const { contextDim, numClasses, classEmbedding } = unet.config;
  const names = said?.classNames ?? [];
  if (numClasses !== undefined && classEmbedding === 'index') {
    const none = said?.classes ?? null;
    return { condition: { kind: 'labels', count: none ?? numClasses, none, names }, parts: [] };
  }
  if (classEmbedding !== 'none') {
    throw new UserError(
      `${weights.name} wants conditions of the kind '${classEmbedding}', which the page does not make`,
    );
  }
  if (contextDim === undefined) return { condition: { kind: 'none' }, parts: [] };
  const classes = under(CLASSES_PREFIX, whole);
  if (classes === null) {
    const { encoder, part } = await findPromptEncoder(drop, found, contextDim);
    return { condition: { kind: 'text', encoder }, parts: [part] };
  }
  const [count, features] = classes.file.info(`${CLASSES_PREFIX}weight`).shape;
  const embedder = explained(classes.name, () =>
    planned(new ClassEmbedder({ classes: count, features }), classes.file),
  );
  const part = { name: classes.name, module: embedder, file: classes.file };
  return { condition: { kind: 'classes', embedder, names }, parts: [part] };
}
