/** Whether this machine stores numbers little-endian, as the file formats do (all but a few do). */
export const HOST_IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * A copy of `bytes`, in a buffer of its own from offset 0, with elements of `width` bytes turned from little-endian
 * to the host's order or back. The copy is what lets a typed array of any width be laid over an unaligned view.
 */
export function swapToHostOrder(
  bytes: Uint8Array,
  width: number,
  hostIsLittleEndian = HOST_IS_LITTLE_ENDIAN,
): Uint8Array<ArrayBuffer> {
  // Not bytes.slice(): a Node Buffer's slice shares its memory.
  const copy = new Uint8Array(bytes);
  if (hostIsLittleEndian || width === 1) return copy;
  for (let start = 0; start < copy.length; start += width) copy.subarray(start, start + width).reverse();
  return copy;
}
