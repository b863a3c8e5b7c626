import { goldenJson } from '@sd/testing';
import { expect, test } from 'vitest';
import { waveletFilters } from './wavelet-filters';
import type { WaveletName } from './wavelet-name';
import { waveletNames } from './wavelet-names';

type Bank = Record<'dec_lo' | 'dec_hi' | 'rec_lo' | 'rec_hi', number[]> & { orthogonal: boolean };
const { filters } = goldenJson<{ filters: Record<string, Bank> }>('wavelets.json');
const { signals } = goldenJson<{ signals: { wavelet: WaveletName; orthogonal: boolean; length: number }[] }>(
  'wavelets-more.json',
);

/** Sum over k of a[k] b[k + 2 shift]. */
const correlation = (a: readonly number[], b: readonly number[], shift: number) =>
  a.reduce((sum, value, k) => sum + value * (b[k + 2 * shift] ?? 0), 0);

/** The largest deviation of a bank from biorthogonality: <reconstruction, decomposition reversed and shifted> = delta. */
function deviation(name: WaveletName): number {
  const { decLo, decHi, recLo, recHi } = waveletFilters(name);
  const [lo, hi] = [[...decLo].reverse(), [...decHi].reverse()];
  let worst = 0;
  for (let shift = -lo.length / 2; shift <= lo.length / 2; shift++) {
    const delta = shift === 0 ? 1 : 0;
    for (const [a, b, expected] of [
      [recLo, lo, delta],
      [recHi, hi, delta],
      [recLo, hi, 0],
      [recHi, lo, 0],
    ] as const) {
      worst = Math.max(worst, Math.abs(correlation(a, b, shift) - expected));
    }
  }
  return worst;
}

test('the names are those of PyWavelets, haar among them', () => {
  expect([...waveletNames].sort()).toEqual(signals.map(({ wavelet }) => wavelet).sort());
  expect(waveletNames.length).toBe(106);
});

test('the banks are those of the golden file, which gives ten digits after the point', () => {
  for (const [name, bank] of Object.entries(filters)) {
    const { decLo, decHi, recLo, recHi, orthogonal } = waveletFilters(name as WaveletName);
    const ours = { dec_lo: decLo, dec_hi: decHi, rec_lo: recLo, rec_hi: recHi };
    for (const key of ['dec_lo', 'dec_hi', 'rec_lo', 'rec_hi'] as const) {
      expect(ours[key], `${name} ${key}`).toBeAllclose(bank[key], { relative: 0, absolute: 5.1e-11 });
    }
    expect(orthogonal).toBe(bank.orthogonal);
  }
});

test('every bank has the length and the orthogonality that PyWavelets says', () => {
  for (const { wavelet, orthogonal, length } of signals) {
    const bank = waveletFilters(wavelet);
    expect([wavelet, bank.orthogonal, bank.decLo.length]).toEqual([wavelet, orthogonal, length]);
    for (const filter of [bank.decHi, bank.recLo, bank.recHi]) expect(filter.length).toBe(length);
  }
});

test('every bank is biorthogonal, as accurately as the table in the README says', () => {
  const families: Record<string, number> = {};
  for (const name of waveletNames) {
    const family = name.replace(/[\d.]+$/, '');
    families[family] = Math.max(families[family] ?? 0, deviation(name));
  }
  const rounded = Object.fromEntries(
    Object.entries(families).map(([family, worst]) => [family, worst.toExponential(0)]),
  );
  expect(rounded).toMatchInlineSnapshot(`
    {
      "bior": "1e-12",
      "coif": "4e-16",
      "db": "4e-16",
      "dmey": "2e-3",
      "haar": "2e-16",
      "rbio": "1e-12",
      "sym": "1e-11",
    }
  `);
});

test('low-pass filters sum to sqrt 2, high-pass ones to 0, so that a constant is all in LL', () => {
  const sum = (filter: readonly number[]) => filter.reduce((total, value) => total + value, 0);
  for (const name of waveletNames) {
    const { decLo, decHi, recLo, recHi } = waveletFilters(name);
    for (const [filter, expected] of [
      [decLo, Math.SQRT2],
      [recLo, Math.SQRT2],
      [decHi, 0],
      [recHi, 0],
    ] as const) {
      expect(Math.abs(sum(filter) - expected), name).toBeLessThan(name === 'dmey' ? 2e-3 : 1e-9);
    }
  }
});

test('an unknown name is answered with the nearest', () => {
  expect(() => waveletFilters('daubechies4' as WaveletName)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: waveletFilters: name must be one of waveletNames, such as "db4", "db14", "db24", got "daubechies4"]`,
  );
  expect(() => waveletFilters('BIOR4,4' as WaveletName)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: waveletFilters: name must be one of waveletNames, such as "bior4.4", "bior2.4", "bior1.1", got "BIOR4,4"]`,
  );
});
