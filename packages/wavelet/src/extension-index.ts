import type { ExtensionMode } from './wavelet';

/**
 * The sample that stands at a position of an extended signal, whatever the distance from its border.
 * @param position of a signal that begins at 0. @returns an index in [0, length), or null for a zero.
 */
export function extensionIndex(position: number, length: number, mode: ExtensionMode): number | null {
  switch (mode) {
    case 'zero':
      return position >= 0 && position < length ? position : null;
    case 'periodization':
      return Math.min(modulo(position, length + (length % 2)), length - 1); // the last of an odd number is there twice
    case 'symmetric':
      return mirrored(modulo(position, 2 * length), 2 * length - 1, length);
    case 'reflect':
      return length === 1 ? 0 : mirrored(modulo(position, 2 * length - 2), 2 * length - 2, length);
  }
}

/** A position of one period, of which all but the first `length` go back. */
const mirrored = (position: number, end: number, length: number) => (position < length ? position : end - position);

const modulo = (a: number, b: number) => ((a % b) + b) % b;
