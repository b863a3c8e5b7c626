// Functions of one float each, four at a time. Passes over blocks that stay in the cache keep the shared parts (exp and log) single.
import { loadLanes, storeLanes } from './lanes';

const BLOCK: i32 = 2048;

/**
 * dst = exp(scale * x), to 1e-7 relative; exp(-Infinity) = 0, exp(Infinity) = Infinity, NaN stays. In place is allowed.
 * x = n ln 2 + r with |r| <= ln 2 / 2 (ln 2 in two parts), a polynomial for exp(r) (Cephes expf), and 2^n in two factors,
 * which reaches the subnormals and infinity.
 */
export function expScaled(dst: usize, src: usize, size: i32, scale: f32): void {
  const factor = f32x4.splat(scale);
  for (; size > 0; size -= 4) {
    let x = size >= 4 ? v128.load(src) : loadLanes(src, size);
    x = f32x4.mul(x, factor);
    const t = f32x4.min(f32x4.max(x, f32x4.splat(-104)), f32x4.splat(89)); // NaN passes through both
    const n = f32x4.nearest(f32x4.mul(t, f32x4.splat(<f32>Math.LOG2E)));
    let r = f32x4.sub(t, f32x4.mul(n, f32x4.splat(0.693359375)));
    r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.1219444e-4)));
    let p = f32x4.splat(1.98756915e-4);
    p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3));
    p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
    p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
    p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
    p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
    p = f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(r, r), p), r), f32x4.splat(1));
    const whole = i32x4.trunc_sat_f32x4_s(n);
    const half = i32x4.shr_s(whole, 1);
    const one = i32x4.splat(127);
    p = f32x4.mul(p, i32x4.shl(i32x4.add(half, one), 23));
    p = f32x4.mul(p, i32x4.shl(i32x4.add(i32x4.sub(whole, half), one), 23));
    if (size >= 4) v128.store(dst, p);
    else storeLanes(dst, p, size);
    dst += 16;
    src += 16;
  }
}

/** dst = log(x), to 1e-7 relative (Cephes logf); log(0) = -Infinity, log of a negative number NaN. In place is allowed. */
export function logarithm(dst: usize, src: usize, size: i32): void {
  for (; size > 0; size -= 4) {
    const x = size >= 4 ? v128.load(src) : loadLanes(src, size);
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
    p = v128.bitselect(f32x4.splat(NaN), p, f32x4.lt(x, f32x4.splat(0)));
    if (size >= 4) v128.store(dst, p);
    else storeLanes(dst, p, size);
    dst += 16;
    src += 16;
  }
}

/** y = 1 / (1 + exp(-x)) */
export function sigmoid(dst: usize, src: usize, size: i32): void {
  const one = f32x4.splat(1);
  for (; size > 0; size -= BLOCK) {
    expScaled(dst, src, min(BLOCK, size), -1);
    let to = dst;
    for (let rest = min(BLOCK, size); rest > 0; rest -= 4, to += 16) {
      const e = rest >= 4 ? v128.load(to) : loadLanes(to, rest);
      const y = f32x4.div(one, f32x4.add(one, e));
      if (rest >= 4) v128.store(to, y);
      else storeLanes(to, y, rest);
    }
    dst += BLOCK * 4;
    src += BLOCK * 4;
  }
}

/** y = x / (1 + exp(-x)); not in place */
export function silu(dst: usize, src: usize, size: i32): void {
  const one = f32x4.splat(1);
  for (; size > 0; size -= BLOCK) {
    expScaled(dst, src, min(BLOCK, size), -1);
    let to = dst;
    let from = src;
    for (let rest = min(BLOCK, size); rest > 0; rest -= 4, to += 16, from += 16) {
      const x = rest >= 4 ? v128.load(from) : loadLanes(from, rest);
      const e = rest >= 4 ? v128.load(to) : loadLanes(to, rest);
      const y = f32x4.div(x, f32x4.add(one, e));
      if (rest >= 4) v128.store(to, y);
      else storeLanes(to, y, rest);
    }
    dst += BLOCK * 4;
    src += BLOCK * 4;
  }
}

/** dx = dy s (1 + x (1 - s)), s = 1 / (1 + exp(-x)); dx may be dy's memory but not x's */
export function siluGradient(dst: usize, dy: usize, src: usize, size: i32, scratch: usize): void {
  const one = f32x4.splat(1);
  for (; size > 0; size -= BLOCK) {
    expScaled(scratch, src, min(BLOCK, size), -1);
    let to = dst;
    let from = src;
    let gradient = dy;
    let exps = scratch;
    for (let rest = min(BLOCK, size); rest > 0; rest -= 4) {
      const x = rest >= 4 ? v128.load(from) : loadLanes(from, rest);
      const g = rest >= 4 ? v128.load(gradient) : loadLanes(gradient, rest);
      const s = f32x4.div(one, f32x4.add(one, v128.load(exps)));
      const slope = f32x4.mul(s, f32x4.add(one, f32x4.mul(x, f32x4.sub(one, s))));
      const y = f32x4.mul(g, slope);
      if (rest >= 4) v128.store(to, y);
      else storeLanes(to, y, rest);
      to += 16;
      from += 16;
      gradient += 16;
      exps += 16;
    }
    dst += BLOCK * 4;
    src += BLOCK * 4;
    dy += BLOCK * 4;
  }
}

/** tanh(x) = 1 - 2 / (exp(2 x) + 1), and for |x| < 0.625 a polynomial (Cephes tanhf), which keeps small values exact */
export function tanh(dst: usize, src: usize, size: i32): void {
  const one = f32x4.splat(1);
  for (; size > 0; size -= BLOCK) {
    expScaled(dst, src, min(BLOCK, size), 2);
    let to = dst;
    let from = src;
    for (let rest = min(BLOCK, size); rest > 0; rest -= 4, to += 16, from += 16) {
      const x = rest >= 4 ? v128.load(from) : loadLanes(from, rest);
      const e = rest >= 4 ? v128.load(to) : loadLanes(to, rest);
      const far = f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(e, one)));
      const z = f32x4.mul(x, x);
      let p = f32x4.splat(-5.70498872745e-3);
      p = f32x4.add(f32x4.mul(p, z), f32x4.splat(2.06390887954e-2));
      p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-5.37397155531e-2));
      p = f32x4.add(f32x4.mul(p, z), f32x4.splat(1.33314422036e-1));
      p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-3.33332819422e-1));
      const near = f32x4.add(f32x4.mul(f32x4.mul(p, z), x), x);
      const y = v128.bitselect(near, far, f32x4.lt(f32x4.abs(x), f32x4.splat(0.625)));
      if (rest >= 4) v128.store(to, y);
      else storeLanes(to, y, rest);
    }
    dst += BLOCK * 4;
    src += BLOCK * 4;
  }
}

/** erf(x): a polynomial up to |x| = 1 (Cephes erff), beyond it Abramowitz and Stegun 7.1.26, 1.5e-7 */
export function erf(dst: usize, src: usize, size: i32): void {
  const one = f32x4.splat(1);
  for (; size > 0; size -= BLOCK) {
    let to = dst;
    let from = src;
    for (let rest = min(BLOCK, size); rest > 0; rest -= 4, to += 16, from += 16) {
      const x = rest >= 4 ? v128.load(from) : loadLanes(from, rest);
      const y = f32x4.neg(f32x4.mul(x, x));
      if (rest >= 4) v128.store(to, y);
      else storeLanes(to, y, rest);
    }
    expScaled(dst, dst, min(BLOCK, size), 1);
    to = dst;
    from = src;
    for (let rest = min(BLOCK, size); rest > 0; rest -= 4, to += 16, from += 16) {
      const x = rest >= 4 ? v128.load(from) : loadLanes(from, rest);
      const e = rest >= 4 ? v128.load(to) : loadLanes(to, rest);
      const a = f32x4.abs(x);
      const t = f32x4.div(one, f32x4.add(one, f32x4.mul(a, f32x4.splat(0.3275911))));
      let q = f32x4.splat(1.061405429);
      q = f32x4.add(f32x4.mul(q, t), f32x4.splat(-1.453152027));
      q = f32x4.add(f32x4.mul(q, t), f32x4.splat(1.421413741));
      q = f32x4.add(f32x4.mul(q, t), f32x4.splat(-0.284496736));
      q = f32x4.add(f32x4.mul(q, t), f32x4.splat(0.254829592));
      const tail = f32x4.sub(one, f32x4.mul(f32x4.mul(q, t), e));
      const far = v128.or(tail, v128.and(x, i32x4.splat(<i32>0x80000000)));
      const z = f32x4.mul(x, x);
      let p = f32x4.splat(7.853861353153693e-5);
      p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-8.010193625184903e-4));
      p = f32x4.add(f32x4.mul(p, z), f32x4.splat(5.188327685732524e-3));
      p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-2.685381193529856e-2));
      p = f32x4.add(f32x4.mul(p, z), f32x4.splat(1.128358514861418e-1));
      p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-3.7612625824233e-1));
      p = f32x4.add(f32x4.mul(p, z), f32x4.splat(1.12837916672671));
      const y = v128.bitselect(f32x4.mul(p, x), far, f32x4.lt(a, one));
      if (rest >= 4) v128.store(to, y);
      else storeLanes(to, y, rest);
    }
    dst += BLOCK * 4;
    src += BLOCK * 4;
  }
}

/** softplus(x) = max(x, 0) + log(1 + t), t = exp(-|x|); the correction t / ((1 + t) - 1) keeps small t exact */
export function softplus(dst: usize, src: usize, size: i32, scratch: usize): void {
  const one = f32x4.splat(1);
  for (; size > 0; size -= BLOCK) {
    const block = min(BLOCK, size);
    let to = scratch;
    let from = src;
    for (let rest = block; rest > 0; rest -= 4, to += 16, from += 16) {
      v128.store(to, f32x4.neg(f32x4.abs(rest >= 4 ? v128.load(from) : loadLanes(from, rest))));
    }
    expScaled(scratch, scratch, block, 1);
    to = dst;
    from = scratch;
    for (let rest = block; rest > 0; rest -= 4, to += 16, from += 16) {
      const u = f32x4.add(one, v128.load(from));
      if (rest >= 4) v128.store(to, u);
      else storeLanes(to, u, rest);
    }
    logarithm(dst, dst, block);
    to = dst;
    from = src;
    let exps = scratch;
    for (let rest = block; rest > 0; rest -= 4, to += 16, from += 16, exps += 16) {
      const x = rest >= 4 ? v128.load(from) : loadLanes(from, rest);
      const log = rest >= 4 ? v128.load(to) : loadLanes(to, rest);
      const t = v128.load(exps);
      const rounded = f32x4.sub(f32x4.add(one, t), one);
      const corrected = f32x4.div(f32x4.mul(log, t), rounded);
      const log1p = v128.bitselect(t, corrected, f32x4.eq(rounded, f32x4.splat(0)));
      const y = f32x4.add(f32x4.max(x, f32x4.splat(0)), log1p);
      if (rest >= 4) v128.store(to, y);
      else storeLanes(to, y, rest);
    }
    dst += BLOCK * 4;
    src += BLOCK * 4;
  }
}

/** y = x where x > 0, else slope x */
export function leakyRelu(dst: usize, src: usize, size: i32, slope: f32): void {
  const factor = f32x4.splat(slope);
  for (; size > 0; size -= 4, dst += 16, src += 16) {
    const x = size >= 4 ? v128.load(src) : loadLanes(src, size);
    const y = v128.bitselect(x, f32x4.mul(x, factor), f32x4.gt(x, f32x4.splat(0)));
    if (size >= 4) v128.store(dst, y);
    else storeLanes(dst, y, size);
  }
}

/** y = a where the byte condition is not 0, else b */
export function select(dst: usize, condition: usize, a: usize, b: usize, size: i32): void {
  for (; size >= 4; size -= 4) {
    const bytes = v128.load_zero<u32>(condition);
    const words = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes));
    v128.store(dst, v128.bitselect(v128.load(a), v128.load(b), i32x4.ne(words, i32x4.splat(0))));
    condition += 4;
    dst += 16;
    a += 16;
    b += 16;
  }
  for (; size > 0; size--) {
    store<u32>(dst, load<u8>(condition) !== 0 ? load<u32>(a) : load<u32>(b));
    condition++;
    dst += 4;
    a += 4;
    b += 4;
  }
}
