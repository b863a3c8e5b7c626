/** One tile of an axis, in pixels of the network's output. */
export type Tile = {
  readonly begin: number;
  readonly size: number;
  /** Its share of each of its pixels; the shares of all tiles at a pixel add up to 1. */
  readonly weights: Float32Array;
};

/**
 * Overlapping tiles of one axis, all of the same size and at equal steps but for the last, which is moved back to end with
 * the axis (diffusers cuts it short instead, and encodes a narrow rest without its surroundings). Where a tile begins, its
 * share grows linearly from 0 to 1 up to the end of the one before it, as in diffusers' blend_v and blend_h.
 *
 * @param step at least 1 and at most the size.
 */
export function tilesOf(length: number, size: number, step: number): Tile[] {
  const begins: number[] = [0];
  while ((begins.at(-1) as number) + size < length)
    begins.push(Math.min((begins.at(-1) as number) + step, length - size));
  const width = Math.min(size, length);
  // share of tile i in the mixture with those before it
  const mixed = (i: number, pixel: number): number => {
    if (i === 0) return 1;
    const overlap = begins[i - 1] + width - begins[i];
    return Math.min(1, Math.max(0, (pixel - begins[i]) / Math.max(1, overlap)) + (overlap === 0 ? 1 : 0));
  };
  return begins.map((begin, i) => {
    const weights = Float32Array.from({ length: width }, (_, p) => {
      let share = mixed(i, begin + p);
      for (let j = i + 1; j < begins.length && begins[j] <= begin + p; j++) share *= 1 - mixed(j, begin + p);
      return share;
    });
    return { begin, size: width, weights };
  });
}
