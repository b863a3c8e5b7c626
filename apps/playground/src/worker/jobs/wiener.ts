import { noiseSchedule } from '@sd/schedulers';
import { naturalSpectrum, noiseFilter, noiseFilterPublished, wienerFilter } from '@sd/spectral-loss';
import type { FilterResponse } from '../../protocol';

// LDM's process for f4 first stages: `linear` there.
const SCHEDULE = noiseSchedule({ betaSchedule: 'scaled_linear', betaStart: 0.0015, betaEnd: 0.0195 });

const POINTS = 120;
const FREQUENCY = Array.from({ length: POINTS }, (_, i) => 10 ** (-1 + (3 * i) / (POINTS - 1)));

/**
 * The paper's Figure 3: the filters that are optimal at t for a power spectrum 1 / f^a (A = 1). f is in units of the
 * frequency at which the spectrum is 1, the power of the noise eps.
 */
export function filterResponse(t: number, exponent: number): FilterResponse {
  const spectrum = naturalSpectrum(FREQUENCY, { exponent });
  const alphaCumprod = SCHEDULE.alphasCumprod[t];
  return {
    t,
    alphaCumprod,
    frequency: FREQUENCY,
    signal: Array.from(wienerFilter(spectrum, alphaCumprod), (g) => g * g),
    noise: Array.from(noiseFilter(spectrum, alphaCumprod)),
    noisePublished: Array.from(noiseFilterPublished(spectrum, alphaCumprod)),
  };
}
