import { existsSync } from 'node:fs';
import { Latents } from '../data/latents';
import { modelConfig, runModel } from '../training/run-stages';
import { UserError } from '../user-error';
import { type ProjectOptions, refuseToOverwrite, withProject } from './context';
import { sayResult } from './say-result';

export type ModelOptions = ProjectOptions & { readonly model: string };

/** `sd train --config FILE --model NAME`: trains a denoiser on the project's latents, alone. */
export async function train(options: ModelOptions): Promise<void> {
  await trainModel(options, false);
}

/** `sd distill --config FILE --model NAME`: trains a slim student with a teacher. */
export async function distill(options: ModelOptions): Promise<void> {
  await trainModel(options, true);
}

async function trainModel(options: ModelOptions, distilled: boolean): Promise<void> {
  await withProject(options, async (context) => {
    const { config, folder } = context;
    const { distillation } = modelConfig(config, options.model);
    if (distilled !== (distillation !== undefined)) {
      throw new UserError(
        distilled
          ? `config: models.${options.model} has no section distillation; \`sd train\` trains it alone`
          : `config: models.${options.model} has a section distillation; \`sd distill\` trains it`,
      );
    }
    if (!context.recovering) refuseToOverwrite(folder.stage(options.model), options);
    if (!existsSync(folder.latents)) {
      throw new UserError(`there are no latents at ${folder.latents}: make them with \`sd encode\``);
    }
    const latents = await Latents.load(folder.latents);
    try {
      sayResult(await runModel(context, options.model, latents), folder.stage(options.model));
    } finally {
      await latents.close();
    }
  });
}
