import { checkWavelet } from './check-wavelet';
import { BIORTHOGONAL } from './filters/biorthogonal';
import { COIFLETS } from './filters/coiflets';
import { DAUBECHIES } from './filters/daubechies';
import { MEYER } from './filters/meyer';
import { SYMLETS } from './filters/symlets';
import type { WaveletName } from './wavelet-name';

/** A two-channel filter bank, by PyWavelets' conventions: its four filters have one even length. */
export type WaveletFilters = {
  readonly name: WaveletName;
  /** Are the reconstruction filters those of the decomposition, reversed? */
  readonly orthogonal: boolean;
  readonly decLo: readonly number[];
  readonly decHi: readonly number[];
  readonly recLo: readonly number[];
  readonly recHi: readonly number[];
};

const TABLES: Readonly<Record<string, readonly number[]>> = {
  haar: DAUBECHIES.db1,
  ...DAUBECHIES,
  ...SYMLETS,
  ...COIFLETS,
  ...MEYER,
  ...BIORTHOGONAL,
};

/**
 * The filters of a wavelet, the numbers of PyWavelets 1.1.1 (`pywt.Wavelet(name).filter_bank`). They reconstruct
 * perfectly to 1e-11 or better, except for dmey, a truncation; the package's README has a table.
 *
 * @throws {ArgumentError} on an unknown name, with the nearest ones.
 */
export function waveletFilters(name: WaveletName): WaveletFilters {
  checkWavelet('waveletFilters', 'name', name);
  const recLo = TABLES[name];
  const orthogonal = !(name in BIORTHOGONAL);
  const decLo = reversed(orthogonal ? recLo : TABLES[dualName(name)]);
  return { name, orthogonal, decLo, decHi: alternated(recLo, -1), recLo, recHi: alternated(decLo, 1) };
}

/** Length of the filters of a wavelet, which is even. */
export function filterLength(name: WaveletName): number {
  return TABLES[name].length;
}

/** The bank whose reconstruction is this one's decomposition, reversed. */
function dualName(name: WaveletName): string {
  return name.startsWith('bior') ? name.replace('bior', 'rbio') : name.replace('rbio', 'bior');
}

const reversed = (filter: readonly number[]) => [...filter].reverse();

/** sign (-1)^k filter[k]: the high-pass filter that belongs to a low-pass filter of the other side. */
function alternated(filter: readonly number[], sign: 1 | -1): number[] {
  return filter.map((value, k) => (k % 2 === 0 ? sign * value : -sign * value));
}
