import { openDataset } from '../data/open-dataset';
import { runFirstStage } from '../training/run-stages';
import { type ProjectOptions, refuseToOverwrite, say, withProject } from './context';
import { sayResult } from './say-result';

/** `sd train-autoencoder --config FILE`: trains the first stage on the project's images. */
export async function trainAutoencoder(options: ProjectOptions): Promise<void> {
  await withProject(options, async (context) => {
    const { config, folder, openProgress, signal } = context;
    if (!context.recovering) refuseToOverwrite(folder.firstStage, options);
    const dataset = await openDataset(config.data, config.seed, openProgress, say, signal);
    say(dataset.description);
    try {
      sayResult(await runFirstStage(context, dataset), folder.firstStage);
    } finally {
      await dataset.close?.();
    }
  });
}
