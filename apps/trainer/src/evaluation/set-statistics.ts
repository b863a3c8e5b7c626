import { type FeatureRows, FeatureStatistics, featureRows, readFeatures } from '@sd/metrics';
import { SpectrumStatistics } from '@sd/spectral-loss';
import type { FeatureExtractor } from './feature-extractor';
import { type ImageSet, toUnitRange } from './image-set';

/** What is kept of a set of images: all that the metrics need of it. */
export type SetStatistics = {
  /** Mean and covariance of all images' features. */
  readonly features: FeatureStatistics;
  /** Features of the first images, for the metrics that need single ones. */
  readonly rows: FeatureRows;
  readonly spectrum: SpectrumStatistics;
};

export type GatherOptions = {
  readonly batchSize: number;
  /** Images whose features are kept one by one. */
  readonly keptRows: number;
  readonly onProgress?: (done: number) => void;
  readonly signal?: AbortSignal | undefined;
};

/** Looks once at every image of a set, one batch in memory at a time. @throws the signal's reason when it is aborted. */
export async function gatherStatistics(
  set: ImageSet,
  extractor: Pick<FeatureExtractor, 'features'>,
  { batchSize, keptRows, onProgress = () => {}, signal }: GatherOptions,
): Promise<SetStatistics> {
  const features = new FeatureStatistics();
  const spectrum = new SpectrumStatistics();
  const kept: Float64Array[] = [];
  let [done, dimension] = [0, 0];
  for await (const images of set.batches(batchSize)) {
    signal?.throwIfAborted();
    const unit = toUnitRange(images);
    const tensor = extractor.features(unit);
    unit.dispose();
    try {
      const rows = await readFeatures(tensor);
      features.add(rows);
      dimension = rows.dimension;
      const wanted = Math.max(0, Math.min(rows.count, keptRows - done));
      kept.push(Float64Array.from(rows.values.subarray(0, wanted * dimension)));
    } finally {
      tensor.dispose();
    }
    await spectrum.add(images);
    done += images.shape[0];
    onProgress(done);
    await new Promise(setImmediate); // lets Ctrl-C through while a backend computes synchronously
  }
  return { features, rows: featureRows(joined(kept), dimension), spectrum };
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const result = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
