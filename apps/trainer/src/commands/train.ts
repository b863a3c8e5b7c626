import { existsSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import type { ProjectConfig } from '../config/schema';
import { Latents } from '../data/latents';
import { microBatchSize } from '../training/accumulated-gradients';
import { largestBatch, largestDivisor } from '../training/largest-batch';
import { modelConfig, runModel } from '../training/run-stages';
import type { TrialStep } from '../training/trial-step';
import { tryStep } from '../training/try-step';
import { UserError } from '../user-error';
import { type ProjectOptions, refuseToOverwrite, say, withProject } from './context';
import { dryRunReport } from './dry-run';
import { sayResult } from './say-result';
import { type BatchOptions, withBatch } from './with-batch';

export type ModelOptions = ProjectOptions &
  BatchOptions & {
    /** Say what the training takes, and do not train. */
    readonly dryRun?: boolean;
  };

/** `sd train --config FILE --model NAME`: trains a denoiser on the project's latents, alone. */
export async function train(options: ModelOptions): Promise<void> {
  await trainModel(options, false);
}

/** `sd distill --config FILE --model NAME`: trains a slim student with a teacher. */
export async function distill(options: ModelOptions): Promise<void> {
  await trainModel(options, true);
}

async function trainModel(options: ModelOptions, distilled: boolean): Promise<void> {
  await withProject(options, async (project) => {
    const context = { ...project, config: withBatch(project.config, options) };
    const { config, folder } = context;
    const { distillation } = modelConfig(config, options.model);
    if (distilled !== (distillation !== undefined)) {
      throw new UserError(
        distilled
          ? `config: models.${options.model} has no section distillation; \`sd train\` trains it alone`
          : `config: models.${options.model} has a section distillation; \`sd distill\` trains it`,
      );
    }
    if (options.dryRun || (options.batch !== undefined && !context.recovering)) {
      const { step, backend } = await measuredStep(options, config, context.signal);
      if (options.dryRun) {
        process.stdout.write(`${dryRunReport(config, options.model, step, backend).join('\n')}\n`);
        return;
      }
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

/** A trial step of a model. @throws {UserError} where it does not fit, with the largest batch that does. */
async function measuredStep(
  options: ModelOptions,
  config: ProjectConfig,
  signal: AbortSignal,
): Promise<{ readonly step: TrialStep; readonly backend: string }> {
  const { batchSize, ...training } = modelConfig(config, options.model);
  const atOnce = microBatchSize({ batchSize, ...training });
  const backend = tf.getBackend();
  const attempt = (count: number) =>
    tryStep(
      [
        '--config',
        options.config,
        '--model',
        options.model,
        '--backend',
        backend,
        '--batch',
        String(count),
        '--micro-batch',
        String(count),
      ],
      signal,
    );
  say(`trying a step with ${atOnce} at once`);
  const outcome = await attempt(atOnce);
  if ('step' in outcome) return { step: outcome.step, backend };
  const largest = await largestBatch(atOnce, async (count) => {
    say(`${count}?`);
    return 'step' in (await attempt(count));
  });
  if (largest === 0)
    throw new UserError(`models.${options.model} does not fit on ${backend} at all: ${outcome.failure}`);
  throw new UserError(
    `a batch of ${atOnce} does not fit on ${backend} (${outcome.failure}): ${largest} is the largest that does; --micro-batch ${largestDivisor(batchSize, largest)} keeps the batch of ${batchSize} by adding gradients up`,
  );
}
