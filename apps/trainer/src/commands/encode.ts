import { encodeIntoFolder } from '../data/latents';
import { openDataset } from '../data/open-dataset';
import { checkWritable } from '../files/atomic-file';
import { fileDigest } from '../files/file-digest';
import { firstStageWeights, givenScaleFactor, openFirstStage } from '../training/run-stages';
import { type ProjectOptions, say, withProject } from './context';

/** `sd encode --config FILE`: encodes the project's images with its first stage, going on where it was stopped. */
export async function encode(options: ProjectOptions): Promise<void> {
  await withProject(options, async ({ config, folder, openProgress, signal }) => {
    const autoencoder = await openFirstStage({ config, folder });
    const dataset = await openDataset(config.data, config.seed, openProgress, say, signal);
    say(dataset.description);
    await checkWritable(folder.root, 2 * dataset.length * dataset.size ** 2); // latents are smaller than images
    const scaleFactor = await givenScaleFactor(config);
    const firstStage = await fileDigest(firstStageWeights({ config, folder }));
    const latents = await encodeIntoFolder(autoencoder, dataset, openProgress, {
      folder: folder.latents,
      identity: JSON.stringify({ data: config.data, seed: config.seed, firstStage, scaleFactor }),
      scaleFactor,
      signal,
      report: say,
    });
    autoencoder.dispose();
    await dataset.close?.();
    const [, height, width, channels] = latents.shape;
    say(
      `${latents.length} latents of ${height}x${width}x${channels}, scale factor ${latents.scaleFactor.toFixed(4)}; ${folder.latents}`,
    );
  });
}
