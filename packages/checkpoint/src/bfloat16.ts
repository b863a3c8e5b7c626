/** The binary32 patterns with the same values as the bfloat16 patterns, which are their upper halves. */
export function bfloat16ToFloat32Bits(patterns: Uint16Array): Uint32Array<ArrayBuffer> {
  const bits = new Uint32Array(patterns.length);
  for (let i = 0; i < bits.length; i++) bits[i] = patterns[i]! << 16;
  return bits;
}

/** The bfloat16 pattern (the upper half of a binary32) nearest to the binary32 pattern `single`, ties to even. */
export function float32ToBfloat16Bits(single: number): number {
  const magnitude = single & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    // A NaN whose payload lies in the lower half must not become infinity.
    const upper = single >>> 16;
    return (upper & 0x7f) === 0 ? upper | 0x40 : upper;
  }
  return ((single >>> 16) + ((single & 0xffff) + 0x7fff + ((single >>> 16) & 1) > 0xffff ? 1 : 0)) & 0xffff;
}
