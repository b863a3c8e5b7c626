type Digit = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

/** Daubechies' extremal phase wavelets, by their vanishing moments: db1 to db38. */
export type DaubechiesName = `db${Exclude<Digit, 0>}` | `db${1 | 2}${Digit}` | `db3${Exclude<Digit, 9>}`;

/** Daubechies' least asymmetric wavelets: sym2 to sym20. */
export type SymletName = `sym${Exclude<Digit, 0 | 1>}` | `sym1${Digit}` | 'sym20';

/** coif1 to coif17. */
export type CoifletName = `coif${Exclude<Digit, 0>}` | `coif1${Exclude<Digit, 8 | 9>}`;

/** Vanishing moments of the reconstruction and of the decomposition. */
export type BiorthogonalNumber =
  | `1.${1 | 3 | 5}`
  | `2.${2 | 4 | 6 | 8}`
  | `3.${1 | 3 | 5 | 7 | 9}`
  | '4.4'
  | '5.5'
  | '6.8';

/**
 * PyWavelets' name of a discrete wavelet; `haar` is `db1`, `dmey` a discrete approximation of Meyer's, and an rbio bank
 * the bior bank of the same number with decomposition and reconstruction exchanged.
 */
export type WaveletName =
  | 'haar'
  | DaubechiesName
  | SymletName
  | CoifletName
  | 'dmey'
  | `bior${BiorthogonalNumber}`
  | `rbio${BiorthogonalNumber}`;
