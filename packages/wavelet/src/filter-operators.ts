import { AxisOperator, type SparseRow } from './axis-operator';
import { bandLength } from './band-length';
import { extensionIndex } from './extension-index';
import { OperatorCache } from './operator-cache';
import type { ExtensionMode } from './wavelet';
import { waveletFilters } from './wavelet-filters';
import type { WaveletName } from './wavelet-name';

const cache = new OperatorCache();

/**
 * The transform of a signal of `length` samples: `[low; high]`, low[k] = sum over j of decLo[j] x[2k + s - j], x continued
 * by the mode, s = 1, or half the filter's length for periodization (`pywt.dwt`).
 */
export function analysisOperator(wavelet: WaveletName, mode: ExtensionMode, length: number): AxisOperator {
  return cache.get(`analysis ${wavelet} ${mode} ${length}`, () => {
    const { decLo, decHi } = waveletFilters(wavelet);
    const shift = mode === 'periodization' ? decLo.length / 2 : 1;
    const count = bandLength(length, decLo.length, mode);
    const rowsOf = (filter: readonly number[]) =>
      Array.from({ length: count }, (_, k) =>
        sparseRow(filter, (j) => extensionIndex(2 * k + shift - j, length, mode)),
      );
    return new AxisOperator([...rowsOf(decLo), ...rowsOf(decHi)], length);
  });
}

/**
 * The inverse transform of two bands of `bands` coefficients, `[low; high]`, its first `length` samples:
 * x[m] = sum over k of low[k] recLo[m + s - 2k] + high[k] recHi[m + s - 2k], s = the filter's length - 2, or its half - 1
 * around the circle for periodization (`pywt.idwt`).
 */
export function synthesisOperator(
  wavelet: WaveletName,
  mode: ExtensionMode,
  bands: number,
  length: number,
): AxisOperator {
  return cache.get(`synthesis ${wavelet} ${mode} ${bands} ${length}`, () => {
    const { recLo, recHi } = waveletFilters(wavelet);
    const shift = mode === 'periodization' ? recLo.length / 2 - 1 : recLo.length - 2;
    const coefficient = (m: number, j: number): number | null => {
      if ((m + shift - j) % 2 !== 0) return null;
      return extensionIndex((m + shift - j) / 2, bands, 'zero');
    };
    const circular = (m: number, j: number): number | null => {
      if ((m + shift - j) % 2 !== 0) return null;
      return ((((m + shift - j) / 2) % bands) + bands) % bands;
    };
    const index = mode === 'periodization' ? circular : coefficient;
    const rows = Array.from({ length }, (_, m): SparseRow => {
      const low = sparseRow(recLo, (j) => index(m, j));
      const high = sparseRow(recHi, (j) => index(m, j));
      return new Map([...low, ...[...high].map(([k, weight]): [number, number] => [bands + k, weight])]);
    });
    return new AxisOperator(rows, 2 * bands);
  });
}

/** The taps of a filter, added up where the same sample is met again. */
function sparseRow(filter: readonly number[], indexOf: (tap: number) => number | null): SparseRow {
  const row = new Map<number, number>();
  for (const [j, weight] of filter.entries()) {
    const index = weight === 0 ? null : indexOf(j);
    if (index !== null) row.set(index, (row.get(index) ?? 0) + weight);
  }
  return row;
}
