import { schedulerFromConfig } from '@sd/schedulers';
import type { DroppedFile } from '../dropped-file';
import { ldmScheduler } from './dropped-configs';
import { DroppedFiles } from './dropped-files';
import { findCondition } from './find-condition';
import { findFirstStage } from './find-first-stage';
import { type Found, findUNet } from './find-unet';
import { checkFits, type DeviceLimits } from './limits';
import { loadParts, type Waiting } from './load-parts';
import { explained } from './own-files';
import type { FirstStage, Pipeline } from './pipeline';
import { readDrop } from './read-drop';

/**
 * A model of dropped files and folders: weights of the command `sd`, of latent-diffusion or of diffusers, with a first
 * stage if its latents need one and a text encoder if it takes prompts, and the configuration files where there are some;
 * without them the published models are tried. Headers are checked before anything is loaded.
 * @param bundled the page's own first stage, for models of its latents.
 * @throws {UserError} that says which file is at fault, what is missing, or which limit of the device is too low.
 * @throws the signal's reason.
 */
export async function droppedModel(
  files: readonly DroppedFile[],
  bundled: () => Promise<FirstStage>,
  limits: DeviceLimits,
  waiting: Waiting = {},
): Promise<Pipeline> {
  const drop = await readDrop(new DroppedFiles(files));
  const found = findUNet(drop);
  const stage = await findFirstStage(drop, found, bundled);
  const condition = await findCondition(drop, found);
  const { unet, weights, notes } = found;
  const parts = [{ name: weights.name, module: unet, file: weights.file }, ...stage.parts, ...condition.parts];
  checkFits(parts, limits);
  const scheduler = explained(weights.name, () => schedulerFromConfig(schedulerOf(found, stage.firstStage !== null)));
  await loadParts(parts, waiting);
  return {
    unet,
    scheduler,
    firstStage: stage.firstStage,
    condition: condition.condition,
    label: weights.name.replace(/\/unet\/[^/]*$/, ''), // of a pipeline its folder
    notes,
  };
}

function schedulerOf({ configs, notes }: Found, isLatent: boolean): Readonly<Record<string, unknown>> {
  if (configs.scheduler !== undefined) return configs.scheduler;
  if (isLatent) {
    notes.push("Its noise schedule is taken for LDM's, 0.0015 to 0.0195.");
    return ldmScheduler({ beta_start: 0.0015, beta_end: 0.0195 });
  }
  notes.push("Its noise schedule is taken for DDPM's, linear from 0.0001 to 0.02.");
  return { _class_name: 'DDIMScheduler' };
}
