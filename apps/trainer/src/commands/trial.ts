import { trialStep } from '../training/trial-step';
import { TRIAL_FAILED } from '../training/try-step';
import { UserError } from '../user-error';
import { say, withProject } from './context';
import type { ModelOptions } from './train';
import { withBatch } from './with-batch';

/** `sd trial`, which `--dry-run` and `--batch` run in a process of its own: prints what a step takes, as JSON. */
export async function trial(options: ModelOptions): Promise<void> {
  await withProject(options, async ({ config }) => {
    try {
      const step = await trialStep(withBatch(config, options), options.model);
      process.stdout.write(`${JSON.stringify(step)}\n`);
    } catch (error) {
      if (error instanceof UserError) throw error;
      say((error as Error).message.split('\n')[0]);
      process.exitCode = TRIAL_FAILED;
    }
  });
}
