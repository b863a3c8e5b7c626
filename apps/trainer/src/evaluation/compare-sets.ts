import type { OpenProgress, Progress } from '../console/progress';
import type { Evaluation } from './evaluation';
import type { FeatureExtractor } from './feature-extractor';
import { type ImageSet, pixelDigest } from './image-set';
import { measure, spectrumValues } from './measure';
import type { ReferenceCache } from './reference-cache';
import { gatherStatistics, type SetStatistics } from './set-statistics';

export type CompareOptions = {
  readonly extractor: FeatureExtractor;
  readonly cache: ReferenceCache;
  readonly batchSize: number;
  /** Images of each set that precision, recall and KID are of, at most. */
  readonly keptRows: number;
  readonly openProgress: OpenProgress;
  readonly signal?: AbortSignal | undefined;
  /** Takes lines for the user. */
  readonly report: (line: string) => void;
};

/** The part of an evaluation that images alone give. */
export type Comparison = Pick<Evaluation, 'generated' | 'reference' | 'features' | 'metrics' | 'spectra'>;

/** Measures generated images against reference images, whose statistics are kept for the next time. */
export async function compareSets(
  generated: ImageSet,
  reference: ImageSet,
  options: CompareOptions,
): Promise<Comparison> {
  const { extractor, batchSize, keptRows } = options;
  const { statistics, pixels } = await referenceStatistics(reference, options);
  const own = await watched(options, 'measure images', generated.length, (onProgress) =>
    gatherStatistics(generated, extractor, { batchSize, keptRows, onProgress, signal: options.signal }),
  );
  const { network, sha256 } = extractor;
  return {
    generated: { description: generated.description, count: own.features.count, size: generated.size },
    reference: { description: reference.description, count: statistics.features.count, pixels },
    features: { network, sha256 },
    metrics: await measure(own, statistics, network),
    spectra: { generated: spectrumValues(own.spectrum), reference: spectrumValues(statistics.spectrum) },
  };
}

async function referenceStatistics(
  set: ImageSet,
  options: CompareOptions,
): Promise<{ readonly statistics: SetStatistics; readonly pixels: string }> {
  const { extractor, cache, batchSize, keptRows, signal, report } = options;
  const pixels = await watched(options, 'look up reference', set.length, (onProgress) =>
    pixelDigest(set, (done) => {
      signal?.throwIfAborted();
      onProgress(done);
    }),
  );
  const key = { data: pixels, extractor, keptRows };
  const known = await cache.load(key);
  if (known) {
    report(`reference statistics: ${cache.path(key)}`);
    return { statistics: known, pixels };
  }
  const statistics = await watched(options, 'measure reference', set.length, (onProgress) =>
    gatherStatistics(set, extractor, { batchSize, keptRows, onProgress, signal }),
  );
  await cache.save(key, statistics);
  return { statistics, pixels };
}

async function watched<T>(
  { openProgress }: Pick<CompareOptions, 'openProgress'>,
  label: string,
  total: number,
  run: (onProgress: (done: number) => void) => Promise<T>,
): Promise<T> {
  let progress: Progress | undefined;
  try {
    progress = openProgress(label, total, 'image');
    return await run((done) => progress?.update(done));
  } finally {
    progress?.stop();
  }
}
