import { randomKey } from '@sd/core';
import { frechetDistance, kernelDistanceOfSubsets, precisionRecall } from '@sd/metrics';
import { frequencyErrors, type SpectrumStatistics } from '@sd/spectral-loss';
import { UserError } from '../user-error';
import type { Evaluation } from './evaluation';
import type { FeatureNetworkName } from './feature-extractor';
import type { SetStatistics } from './set-statistics';

/** Neighbors of precision and recall: Kynkaanniemi et al. 2019. */
const NEIGHBORS = 3;
/** Of KID, as it is usually reported: Binkowski et al. 2018. */
const KID_SUBSETS = 100;
const KID_SIZE = 1000;

/** The fewest images of a set that every metric is defined for. */
export const FEWEST_IMAGES = NEIGHBORS + 1;

/** All distances of a generated set from a reference. */
export async function measure(
  generated: SetStatistics,
  reference: SetStatistics,
  network: FeatureNetworkName,
): Promise<Evaluation['metrics']> {
  const size = Math.min(KID_SIZE, generated.rows.count, reference.rows.count);
  // Where a subset is the whole of both sets, one says it all.
  const whole = size === generated.rows.count && size === reference.rows.count;
  const subsets = whole ? 1 : KID_SUBSETS;
  const kid = kernelDistanceOfSubsets(generated.rows, reference.rows, { subsets, size, key: randomKey(0) });
  const { precision, recall } = precisionRecall(generated.rows, reference.rows, { neighbors: NEIGHBORS });
  const distance = frechetDistance(generated.features, reference.features);
  const { low, high } = await frequencyErrors(generated.spectrum, reference.spectrum);
  return {
    ...(network === 'inception-v3' ? { fid: distance } : { frechetSqueezeNet: distance }),
    kid: { ...kid, subsets, size },
    precision,
    recall,
    single: { generated: generated.rows.count, reference: reference.rows.count },
    lowFrequencyError: low,
    highFrequencyError: high,
  };
}

/** @throws {UserError} where a set is too small for the metrics. */
export function checkEnough(what: string, count: number): void {
  if (count < FEWEST_IMAGES) {
    throw new UserError(`${what}: ${count} images, but precision and recall need at least ${FEWEST_IMAGES}`);
  }
}

/** For the JSON file: geometric means, which a few images of high contrast do not dominate. */
export function spectrumValues(statistics: SpectrumStatistics): Evaluation['spectra']['generated'] {
  const { frequency } = statistics.spectrum();
  return { frequency: [...frequency], power: [...statistics.meanLogPower()].map(Math.exp) };
}
