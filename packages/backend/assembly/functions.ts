// Functions of four floats at a time. The loops over tensors are in pointwise.ts; group normalization uses them too.

/** exp(t - n ln 2), where that is at most ln 2 / 2 apart from 0: ln 2 in two parts, a polynomial (Cephes expf). */
function expOfRest(t: v128, n: v128): v128 {
  let r = f32x4.sub(t, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.add(r, f32x4.mul(n, f32x4.splat(2.1219444e-4)));
  const r2 = f32x4.mul(r, r);
  const a = f32x4.add(f32x4.mul(r, f32x4.splat(1.98756915e-4)), f32x4.splat(1.3981999507e-3));
  const b = f32x4.add(f32x4.mul(r, f32x4.splat(8.3334519073e-3)), f32x4.splat(4.1665795894e-2));
  const c = f32x4.add(f32x4.mul(r, f32x4.splat(1.6666665459e-1)), f32x4.splat(5.0000001201e-1));
  const p = f32x4.add(f32x4.mul(f32x4.add(f32x4.mul(a, r2), b), r2), c);
  return f32x4.add(f32x4.add(f32x4.mul(p, r2), r), f32x4.splat(1));
}

/**
 * exp(x), to 2e-7 relative; exp(-Infinity) = 0, exp(Infinity) = Infinity, NaN stays. x = n ln 2 + r with |r| <= ln 2 / 2
 * (ln 2 in two parts), a polynomial for exp(r) (Cephes expf), and 2^n in two factors, which reaches the subnormals and infinity.
 */
export function expLanes(x: v128): v128 {
  // pmin and pmax give their first argument where it is NaN
  const t = f32x4.pmin(f32x4.pmax(x, f32x4.splat(-104)), f32x4.splat(89));
  // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
  const rounded = f32x4.add(f32x4.mul(t, f32x4.splat(<f32>Math.LOG2E)), f32x4.splat(12582912));
  let p = expOfRest(t, f32x4.sub(rounded, f32x4.splat(12582912)));
  // n = h + (n - h), h = floor(n / 2): each is shifted into the exponent of a 1.
  const half = i32x4.shl(i32x4.shr_s(rounded, 1), 23);
  const rest = i32x4.sub(i32x4.shl(rounded, 23), half);
  p = f32x4.mul(p, i32x4.add(half, f32x4.splat(1)));
  return f32x4.mul(p, i32x4.add(rest, f32x4.splat(1)));
}

/** exp(x) for x that is 0 or less, or NaN, as expLanes but 0 below -87.7, where that is subnormal: fewer steps. */
export function expNegativeLanes(x: v128): v128 {
  const t = f32x4.pmax(x, f32x4.splat(-88));
  const rounded = f32x4.add(f32x4.mul(t, f32x4.splat(<f32>Math.LOG2E)), f32x4.splat(12582912));
  const p = expOfRest(t, f32x4.sub(rounded, f32x4.splat(12582912)));
  // 2^n: n of -127 gives the exponent of 0
  return f32x4.mul(p, i32x4.add(i32x4.shl(rounded, 23), f32x4.splat(1)));
}

/** log(x), to 2e-7 relative (Cephes logf); log(0) = -Infinity, log of a negative number NaN. */
export function logLanes(x: v128): v128 {
  const tiny = f32x4.lt(x, f32x4.splat(1.17549435e-38));
  const scaled = v128.bitselect(f32x4.mul(x, f32x4.splat(8388608)), x, tiny);
  let e = i32x4.sub(i32x4.shr_u(scaled, 23), i32x4.splat(126));
  e = i32x4.sub(e, v128.and(tiny, i32x4.splat(23)));
  let m = v128.or(v128.and(scaled, i32x4.splat(0x007fffff)), f32x4.splat(0.5)); // in [0.5, 1)
  const low = f32x4.lt(m, f32x4.splat(<f32>Math.SQRT1_2));
  e = i32x4.add(e, low); // minus one where m is doubled
  m = f32x4.sub(f32x4.add(m, v128.and(m, low)), f32x4.splat(1));
  const z = f32x4.mul(m, m);
  let p = f32x4.splat(7.0376836292e-2);
  p = f32x4.add(f32x4.mul(p, m), f32x4.splat(-1.151461031e-1));
  p = f32x4.add(f32x4.mul(p, m), f32x4.splat(1.167699874e-1));
  p = f32x4.add(f32x4.mul(p, m), f32x4.splat(-1.2420140846e-1));
  p = f32x4.add(f32x4.mul(p, m), f32x4.splat(1.4249322787e-1));
  p = f32x4.add(f32x4.mul(p, m), f32x4.splat(-1.6668057665e-1));
  p = f32x4.add(f32x4.mul(p, m), f32x4.splat(2.0000714765e-1));
  p = f32x4.add(f32x4.mul(p, m), f32x4.splat(-2.4999993993e-1));
  p = f32x4.add(f32x4.mul(p, m), f32x4.splat(3.3333331174e-1));
  const n = f32x4.convert_i32x4_s(e);
  p = f32x4.mul(f32x4.mul(p, m), z);
  p = f32x4.add(p, f32x4.mul(n, f32x4.splat(-2.1219444e-4)));
  p = f32x4.sub(p, f32x4.mul(z, f32x4.splat(0.5)));
  p = f32x4.add(f32x4.add(m, p), f32x4.mul(n, f32x4.splat(0.693359375)));
  p = v128.bitselect(p, x, f32x4.lt(x, f32x4.splat(Infinity))); // Infinity and NaN stay
  p = v128.bitselect(f32x4.splat(-Infinity), p, f32x4.eq(x, f32x4.splat(0)));
  return v128.bitselect(f32x4.splat(NaN), p, f32x4.lt(x, f32x4.splat(0)));
}

/**
 * 1 / (1 + exp(-x)), to 2e-7 relative; below x = -86 it stays at 4e-38.
 */
export function sigmoidLanes(x: v128): v128 {
  const t = f32x4.pmin(f32x4.pmax(x, f32x4.splat(-86)), f32x4.splat(86));
  const rounded = f32x4.add(f32x4.mul(t, f32x4.splat(-(<f32>Math.LOG2E))), f32x4.splat(12582912));
  const n = f32x4.sub(rounded, f32x4.splat(12582912));
  // r = -t - n ln 2
  let r = f32x4.add(t, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.sub(f32x4.mul(n, f32x4.splat(2.1219444e-4)), r);
  let p = f32x4.splat(1.98756915e-4);
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
  p = f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(r, r), p), r), f32x4.splat(1));
  // exp(-x) = p 2^n: n is added to the exponent of p.
  p = i32x4.add(p, i32x4.shl(rounded, 23));
  return f32x4.div(f32x4.splat(1), f32x4.add(p, f32x4.splat(1)));
}

/** The derivative of x / (1 + exp(-x)): s (1 + x (1 - s)), s = 1 / (1 + exp(-x)) */
export function siluSlope(x: v128): v128 {
  const one = f32x4.splat(1);
  const s = sigmoidLanes(x);
  return f32x4.mul(s, f32x4.add(one, f32x4.mul(x, f32x4.sub(one, s))));
}

/** tanh(x) = 1 - 2 / (exp(2 x) + 1), and for |x| < 0.625 a polynomial (Cephes tanhf), which keeps small values exact */
export function tanhLanes(x: v128): v128 {
  const one = f32x4.splat(1);
  const e = expLanes(f32x4.add(x, x));
  const far = f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(e, one)));
  const z = f32x4.mul(x, x);
  let p = f32x4.splat(-5.70498872745e-3);
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(2.06390887954e-2));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-5.37397155531e-2));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(1.33314422036e-1));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-3.33332819422e-1));
  const near = f32x4.add(f32x4.mul(f32x4.mul(p, z), x), x);
  return v128.bitselect(near, far, f32x4.lt(f32x4.abs(x), f32x4.splat(0.625)));
}

/** erf(x): a polynomial up to |x| = 1 (Cephes erff), beyond it Abramowitz and Stegun 7.1.26, 1.5e-7 */
export function erfLanes(x: v128): v128 {
  const one = f32x4.splat(1);
  const z = f32x4.mul(x, x);
  const e = expLanes(f32x4.neg(z));
  const a = f32x4.abs(x);
  const t = f32x4.div(one, f32x4.add(one, f32x4.mul(a, f32x4.splat(0.3275911))));
  let q = f32x4.splat(1.061405429);
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(-1.453152027));
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(1.421413741));
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(-0.284496736));
  q = f32x4.add(f32x4.mul(q, t), f32x4.splat(0.254829592));
  const tail = f32x4.sub(one, f32x4.mul(f32x4.mul(q, t), e));
  const far = v128.or(tail, v128.and(x, i32x4.splat(<i32>0x80000000)));
  let p = f32x4.splat(7.853861353153693e-5);
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-8.010193625184903e-4));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(5.188327685732524e-3));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-2.685381193529856e-2));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(1.128358514861418e-1));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-3.7612625824233e-1));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(1.12837916672671));
  return v128.bitselect(f32x4.mul(p, x), far, f32x4.lt(a, one));
}

/** softplus(x) = max(x, 0) + log(1 + t), t = exp(-|x|); the correction t / ((1 + t) - 1) keeps small t exact */
export function softplusLanes(x: v128): v128 {
  const one = f32x4.splat(1);
  const t = expLanes(f32x4.neg(f32x4.abs(x)));
  const u = f32x4.add(one, t);
  const rounded = f32x4.sub(u, one);
  const corrected = f32x4.div(f32x4.mul(logLanes(u), t), rounded);
  const log1p = v128.bitselect(t, corrected, f32x4.eq(rounded, f32x4.splat(0)));
  return f32x4.add(f32x4.max(x, f32x4.splat(0)), log1p);
}
