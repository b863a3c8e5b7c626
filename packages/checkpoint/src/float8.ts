import { float16Table } from './float16';

/** The binary32 patterns of all 256 patterns of F8_E5M2: the upper byte of a binary16. */
export function float8E5m2Table(): Uint32Array {
  const table = float16Table();
  return Uint32Array.from({ length: 256 }, (_, byte) => table[byte << 8]!);
}

/**
 * The binary32 patterns of all 256 patterns of F8_E4M3: bias 7, no infinities, NaN only where all bits but the sign
 * are set, largest value 448 (Micikevicius et al. 2022, "FP8 formats for deep learning"; torch.float8_e4m3fn).
 */
export function float8E4m3Table(): Uint32Array {
  const values = Float32Array.from({ length: 256 }, (_, byte) => {
    const sign = byte & 0x80 ? -1 : 1;
    const exponent = (byte >> 3) & 0xf;
    const mantissa = byte & 7;
    if (exponent === 0xf && mantissa === 7) return Number.NaN;
    return sign * (exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10));
  });
  return new Uint32Array(values.buffer);
}
