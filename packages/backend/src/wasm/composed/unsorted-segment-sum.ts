type Numbers = Float32Array | Int32Array | Uint8Array;

/**
 * Adds the rows of x whose segment is s into row s of the result. Rows with a segment outside `[0, numSegments)` are dropped.
 * @param x `[rows, inner]`, segmentIds `[rows]`, out `[numSegments, inner]`: views of the heap; out is overwritten.
 */
export function unsortedSegmentSum(x: Numbers, segmentIds: Numbers, out: Numbers, numSegments: number): void {
  out.fill(0);
  if (numSegments === 0 || segmentIds.length === 0) return;
  const inner = out.length / numSegments;
  for (let row = 0; row < segmentIds.length; row++) {
    const segment = segmentIds[row] as number;
    if (segment < 0 || segment >= numSegments) continue;
    for (let i = 0; i < inner; i++) {
      const at = segment * inner + i;
      out[at] = (out[at] as number) + (x[row * inner + i] as number);
    }
  }
}
