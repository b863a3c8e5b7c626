/**
 * Spherical interpolation (Shoemake 1985): with theta the angle between a and b,
 *   (sin((1 - f) theta) a + sin(f theta) b) / sin(theta)
 * Between two draws of normal noise it has the length of noise, which a straight line would not. On a line where a and b
 * point the same way.
 * @param fraction f, in [0, 1]: 0 gives a, 1 gives b.
 */
export function slerp(a: ArrayLike<number>, b: ArrayLike<number>, fraction: number): Float32Array {
  let [aa, bb, ab] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    aa += a[i] * a[i];
    bb += b[i] * b[i];
    ab += a[i] * b[i];
  }
  const theta = Math.acos(Math.min(1, Math.max(-1, ab / Math.sqrt(aa * bb))));
  const sine = Math.sin(theta);
  const [ofA, ofB] =
    sine > 1e-6
      ? [Math.sin((1 - fraction) * theta) / sine, Math.sin(fraction * theta) / sine]
      : [1 - fraction, fraction];
  return Float32Array.from({ length: a.length }, (_, i) => ofA * a[i] + ofB * b[i]);
}
