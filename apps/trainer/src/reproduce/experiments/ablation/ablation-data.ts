import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { RunFolder } from '../../../config/run-folder';
import { readLatentIndex } from '../../../data/latent-shards';
import { encodeIntoFolder, Latents } from '../../../data/latents';
import { openDataset } from '../../../data/open-dataset';
import { type FeatureExtractor, openFeatureExtractor } from '../../../evaluation/feature-extractor';
import { datasetImages } from '../../../evaluation/image-set';
import { ReferenceCache, type ReferenceKey } from '../../../evaluation/reference-cache';
import { gatherStatistics, type SetStatistics } from '../../../evaluation/set-statistics';
import { weightsDigest } from '../../../files/first-stage-file';
import { firstStageWeights, givenScaleFactor, openFirstStage } from '../../../training/run-stages';
import { UserError } from '../../../user-error';
import type { ReproductionContext } from '../../reproduction';
import type { AblationSetting } from './ablation-setting';

const prepared = z.object({
  /** Of the images, without their place. */
  description: z.string(),
  /** Where they came from; generated images come from nowhere. */
  path: z.string().nullable(),
  /** Of the latents' files and of the first stage. */
  latents: z.string(),
  firstStage: z.string(),
});
type Prepared = z.infer<typeof prepared>;

/** What the students learn from and are measured by: never the images themselves, which need not be at hand. */
export type AblationData = Prepared & {
  /** Height and width of the images. */
  readonly pixels: number;
  /** To be closed. */
  readonly values: Latents;
  readonly reference: SetStatistics;
  /** To be disposed. */
  readonly extractor: FeatureExtractor;
};

/** Features of single images are not looked at; the file of statistics has one all the same. */
const KEPT_ROWS = 1;

/** Encodes the images and measures them, once; every later start, on this machine or another, takes what is there. */
export async function openAblationData(context: ReproductionContext, setting: AblationSetting): Promise<AblationData> {
  const { source, size, folder, project } = setting;
  const { size: pixels } = project.data;
  const { seed, photographs } = context;
  const images = source === 'photographs' ? undefined : size.images;
  const settings = { source, pixels, images, references: size.references, seed: images === undefined ? 0 : seed };
  const extractor = await openFeatureExtractor(undefined);
  try {
    const about = await context.pieces.get(`data-${source}`, settings, prepared, () =>
      prepare(context, setting, extractor),
    );
    if (photographs && about.path !== photographs.folder) {
      throw new UserError(`${folder} is of ${about.path}, not of ${photographs.folder}: choose another --out`);
    }
    const reference = await referenceCache(folder).load(referenceKey(about.latents, extractor));
    if (!reference) throw new UserError(`${folder} has lost its reference statistics: remove it to begin anew`);
    const values = await Latents.load(new RunFolder(folder).latents);
    return { ...about, pixels, values, reference, extractor };
  } catch (error) {
    extractor.dispose();
    throw error;
  }
}

async function prepare(
  { photographs, openProgress, report, signal }: ReproductionContext,
  { source, size, folder, project }: AblationSetting,
  extractor: FeatureExtractor,
): Promise<Prepared> {
  if (source === 'photographs') {
    if (!photographs) throw new UserError(`${folder} is not complete: give --data and --first-stage once more`);
    if (!existsSync(photographs.firstStage))
      throw new UserError(`there is no first stage at ${photographs.firstStage}`);
  }
  const run = { config: project, folder: new RunFolder(folder) };
  const dataset = await openDataset(project.data, project.seed, openProgress, report, signal);
  // What was kept says from now on that the ablation is of photographs: they are there.
  if (photographs) await keepFirstStage(photographs.firstStage, join(folder, 'first-stage'));
  const autoencoder = await openFirstStage(run);
  try {
    const firstStage = await weightsDigest(firstStageWeights(run));
    const scaleFactor = await givenScaleFactor(project);
    const encoded = await encodeIntoFolder(autoencoder, dataset, openProgress, {
      folder: run.folder.latents,
      identity: JSON.stringify({ data: { ...project.data, path: undefined }, seed: project.seed, firstStage }),
      scaleFactor,
      signal,
      report,
    });
    await encoded.close();
    const latents = await latentsDigest(run.folder.latents);
    const progress = openProgress('measure the data', Math.min(size.references, dataset.length), 'image');
    try {
      const { evaluationBatch: batchSize, references } = size;
      const statistics = await gatherStatistics(
        datasetImages(dataset, Math.min(references, dataset.length)),
        extractor,
        { batchSize, keptRows: KEPT_ROWS, onProgress: (done) => progress.update(done), signal },
      );
      await referenceCache(folder).save(referenceKey(latents, extractor), statistics);
    } finally {
      progress.stop();
    }
    const count = dataset.length.toLocaleString('en');
    const description = photographs ? `${count} photographs of ${dataset.size} px` : dataset.description;
    return { description, path: photographs?.folder ?? null, latents, firstStage };
  } finally {
    autoencoder.dispose();
    await dataset.close?.();
  }
}

/** Copies a first stage: the file, or of a folder the halves that TAESD's family has. */
async function keepFirstStage(path: string, target: string): Promise<void> {
  if (existsSync(target)) return;
  await mkdir(target, { recursive: true });
  if (!(await stat(path)).isDirectory()) return cp(path, join(target, 'model.ckpt'));
  for (const name of await readdir(path)) {
    if (/(en|de)coder.*\.(pth|pt|safetensors)$/.test(name)) await cp(join(path, name), join(target, name));
  }
}

/** The hashes of the files of latents, which are all of them. */
async function latentsDigest(folder: string): Promise<string> {
  const index = await readLatentIndex(folder);
  return (index?.shards ?? []).map(({ sha256 }) => sha256.slice(0, 16)).join(' ');
}

function referenceCache(folder: string): ReferenceCache {
  return new ReferenceCache(join(folder, 'reference'));
}

function referenceKey(data: string, extractor: FeatureExtractor): ReferenceKey {
  return { data, extractor, keptRows: KEPT_ROWS };
}
