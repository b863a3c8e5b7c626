/*
 * IEEE 754 binary16 (1 sign, 5 exponent, 10 mantissa bits; bias 15) to and from binary32 (1, 8, 23; bias 127).
 * Both directions work on bit patterns and never pass through a JavaScript number, so that NaN payloads survive.
 */

/** The binary32 pattern with the same value as the binary16 pattern `half`. Exact. */
export function float16ToFloat32Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (mantissa << 13)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 112) << 23) | (mantissa << 13)) >>> 0;
  if (mantissa === 0) return sign >>> 0;
  // Subnormal, mantissa * 2^-24: shift the leading one up to bit 10, where it becomes implicit.
  const shift = Math.clz32(mantissa) - 21;
  return (sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13)) >>> 0;
}

/**
 * The binary16 pattern nearest to the binary32 pattern `single`, ties to even: from 65520 on infinity, up to 2^-25
 * zero, subnormals below 2^-14. NaN keeps its sign and the upper bits of its payload.
 */
export function float32ToFloat16Bits(single: number): number {
  const sign = (single >>> 16) & 0x8000;
  const magnitude = single & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    const payload = (magnitude >> 13) & 0x3ff;
    return sign | 0x7c00 | (payload === 0 ? 0x200 : payload);
  }
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13);
  if (magnitude <= 0x33000000) return sign;
  // Subnormal: the mantissa with its leading one, in units of 2^-24.
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - (magnitude >> 23);
  const floor = mantissa >> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (rest > half || (rest === half && (floor & 1) === 1) ? floor + 1 : floor);
}

let table: Uint32Array | undefined;

/** The binary32 patterns of all 65,536 binary16 patterns; made on first use, kept (256 KiB). */
export function float16Table(): Uint32Array {
  table ??= Uint32Array.from({ length: 0x10000 }, (_, half) => float16ToFloat32Bits(half));
  return table;
}
