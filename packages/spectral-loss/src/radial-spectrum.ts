import type { Tensor4D } from '@tensorflow/tfjs-core';
import { type RadialSpectrum, SpectrumStatistics, type SpectrumStatisticsOptions } from './spectrum-statistics';

/**
 * Mean power spectrum of images by radius: the convenience form of `SpectrumStatistics`, which says what a bin is.
 * @param x `[N, H, W, 3]` or `[N, H, W, 1]`. Borrowed.
 * @throws {ShapeError} on another shape. @throws {ArgumentError} on too many bins, or a disposed tensor.
 */
export async function radialSpectrum(
  x: Tensor4D,
  options: Pick<SpectrumStatisticsOptions, 'bins'> = {},
): Promise<RadialSpectrum> {
  const statistics = new SpectrumStatistics(options);
  await statistics.add(x);
  return statistics.spectrum();
}
