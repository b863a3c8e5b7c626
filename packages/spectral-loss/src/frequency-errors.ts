import { ArgumentError, checkRange, formatValue } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { SpectrumStatistics, type SpectrumStatisticsOptions } from './spectrum-statistics';

/** Errors of the two bands in nats of power: 0.69 means a factor of 2 in power, on average over the band's bins. */
export type FrequencyErrors = { readonly low: number; readonly high: number };

export type FrequencyErrorsOptions = SpectrumStatisticsOptions & {
  /** Radius that parts low from high, as a fraction of the Nyquist frequency; an edge of a bin. Default 0.25. */
  readonly cutoff?: number;
};

/**
 * Low- and high-frequency error of a set of images against a reference set (Table 1 of the paper, whose definition is
 * not published; this one is the project's): the error of a band, r < cutoff or cutoff <= r <= 1, is the mean over its
 * radial bins of |mean log-power of x - mean log-power of reference|, in nats. The sets are unpaired and may differ in
 * number. `SpectrumStatistics` says what a bin and its power are; the zero frequency is the first bin of the low band.
 *
 * @param x generated images `[N, H, W, 3]` or `[N, H, W, 1]`, or their statistics. Borrowed.
 * @param reference data of the same H, W and range, or its statistics. Borrowed.
 * @param options of tensors; given statistics keep their own bins and epsilon, which a tensor beside them takes over
 * unless told otherwise.
 * @throws {ShapeError} on other shapes. @throws {ArgumentError} on too many bins, a cutoff that is no edge between two
 * bins, statistics without images or of other sizes or bins, or a disposed tensor.
 */
export async function frequencyErrors(
  x: Tensor4D | SpectrumStatistics,
  reference: Tensor4D | SpectrumStatistics,
  { cutoff = 0.25, ...options }: FrequencyErrorsOptions = {},
): Promise<FrequencyErrors> {
  checkRange('frequencyErrors', 'cutoff', cutoff, 0, 1);
  const given = [x, reference].find((set) => set instanceof SpectrumStatistics);
  const shared = { ...(given && { bins: given.bins, epsilon: given.epsilon }), ...options };
  const [a, b] = [await statisticsOf(x, shared), await statisticsOf(reference, shared)];
  const [logA, logB] = [a.meanLogPower(), b.meanLogPower()];
  const [layoutA, layoutB] = [layoutOf(a), layoutOf(b)];
  if (formatValue(layoutA) !== formatValue(layoutB)) {
    throw new ArgumentError('frequencyErrors', 'reference', `of the layout of x, ${formatValue(layoutA)}`, layoutB);
  }
  const bins = logA.length;
  const edge = Math.round(cutoff * bins);
  if (Math.abs(edge - cutoff * bins) > 1e-9 || edge === 0 || edge === bins) {
    throw new ArgumentError(
      'frequencyErrors',
      'cutoff',
      `k/${bins} with k in 1..${bins - 1}, an edge of a bin`,
      cutoff,
    );
  }
  const difference = logA.map((value, k) => Math.abs(value - logB[k]!));
  return { low: mean(difference.subarray(0, edge)), high: mean(difference.subarray(edge)) };
}

async function statisticsOf(
  set: Tensor4D | SpectrumStatistics,
  options: SpectrumStatisticsOptions,
): Promise<SpectrumStatistics> {
  if (set instanceof SpectrumStatistics) return set;
  const statistics = new SpectrumStatistics(options);
  await statistics.add(set);
  return statistics;
}

/** What must agree for two sets to be comparable. */
function layoutOf({ size, bins, epsilon }: SpectrumStatistics) {
  return { size, bins, epsilon };
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
