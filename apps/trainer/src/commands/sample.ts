import { dirname } from 'node:path';
import { randomKey } from '@sd/core';
import { schedulerFromConfig } from '@sd/schedulers';
import { checkWritable, writeAtomically } from '../files/atomic-file';
import { loadDiffusionModel, loadFirstStage } from '../files/weights-file';
import { imageGridPng } from '../report/image-grid';
import { sampleImages } from '../sampling/sample-images';
import { modelWeights, openFirstStage } from '../training/run-stages';
import { type ProjectOptions, say, withProject } from './context';

export type SampleCommandOptions = ProjectOptions & {
  readonly model: string;
  /** A file of weights in place of the project's model. */
  readonly weights?: string;
  /** A file of a first stage in place of the project's. */
  readonly firstStage?: string;
  readonly count?: number;
  readonly steps?: number;
  readonly eta?: number;
  /** The PNG; beside the model by default. */
  readonly output?: string;
};

/** `sd sample --config FILE --model NAME`: draws images into one PNG. */
export async function sample(options: SampleCommandOptions): Promise<void> {
  await withProject(options, async ({ config, folder, openProgress, signal }) => {
    const output = options.output ?? folder.stage(options.model).samples;
    await checkWritable(dirname(output), 0);
    const { unet, metadata } = await loadDiffusionModel(
      options.weights ?? modelWeights({ config, folder }, options.model),
    );
    const autoencoder = options.firstStage
      ? await loadFirstStage(options.firstStage)
      : await openFirstStage({ config, folder });
    const images = await sampleImages(
      { unet, autoencoder, scheduler: schedulerFromConfig(metadata.scheduler), scaleFactor: metadata.scaleFactor },
      {
        count: options.count ?? config.sampling.count,
        steps: options.steps ?? config.sampling.steps,
        eta: options.eta ?? config.sampling.eta,
        key: randomKey(config.seed),
        label: `sample ${options.model}`,
        openProgress,
        signal,
      },
    );
    await writeAtomically(output, await imageGridPng(images));
    say(`${images.shape[0]} samples; ${output}`);
    images.dispose();
    unet.dispose();
    autoencoder.dispose();
  });
}
