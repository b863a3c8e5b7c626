import { inverseSize, type Size } from '../inverse-size';
import type { WaveletOptions } from '../wavelet';

type Unknown = number | null;

/** Height and width of an inverse transform, as far as they are known. */
export function inverseOutput(
  options: Required<WaveletOptions>,
  size: Size | undefined,
  height: Unknown,
  width: Unknown,
): [Unknown, Unknown] {
  if (size) return [size[0], size[1]];
  const [h, w] = inverseSize(options, height ?? 0, width ?? 0);
  return [height === null ? null : h, width === null ? null : w];
}
