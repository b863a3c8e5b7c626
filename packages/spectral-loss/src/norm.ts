import { ArgumentError } from '@sd/core';

/**
 * Where the factor 1/(H W) of a DFT and its inverse goes, under the names of NumPy and PyTorch: its root on both
 * ('ortho': Parseval holds), on the inverse ('backward'), or on the DFT ('forward').
 */
export type FftNorm = 'ortho' | 'backward' | 'forward';

const NORMS: readonly string[] = ['ortho', 'backward', 'forward'] satisfies readonly FftNorm[];

/** @throws {ArgumentError} on a name that is no norm. */
export function checkNorm(operation: string, norm: FftNorm): void {
  if (!NORMS.includes(norm)) throw new ArgumentError(operation, 'norm', "'ortho', 'backward' or 'forward'", norm);
}

/** The factor for one axis of length n of the DFT (sign -1) or its inverse (sign +1). */
export function axisScale(norm: FftNorm, n: number, sign: 1 | -1): number {
  if (norm === 'ortho') return 1 / Math.sqrt(n);
  return (norm === 'forward') === (sign === -1) ? 1 / n : 1;
}
