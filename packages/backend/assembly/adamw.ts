import { loadLanes, storeLanes } from './lanes';

/**
 * One step of AdamW on `size` floats (Loshchilov and Hutter 2019), g = gradient * gradientScale:
 *   m' = beta1 m + (1 - beta1) g;  v' = beta2 v + (1 - beta2) g^2
 *   p' = decay p - stepSize m' / (sqrt(v') denominatorScale + eps)
 */
export function adamw(
  newP: usize,
  newM: usize,
  newV: usize,
  p: usize,
  gradient: usize,
  m: usize,
  v: usize,
  size: i32,
  gradientScale: f32,
  decay: f32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  stepSize: f32,
  denominatorScale: f32,
  eps: f32,
): void {
  for (; size > 0; size -= 4) {
    const whole = size >= 4;
    const g = f32x4.mul(whole ? v128.load(gradient) : loadLanes(gradient, size), f32x4.splat(gradientScale));
    let m1 = f32x4.mul(whole ? v128.load(m) : loadLanes(m, size), f32x4.splat(beta1));
    m1 = f32x4.add(m1, f32x4.mul(g, f32x4.splat(rest1)));
    let v1 = f32x4.mul(whole ? v128.load(v) : loadLanes(v, size), f32x4.splat(beta2));
    v1 = f32x4.add(v1, f32x4.mul(f32x4.mul(g, g), f32x4.splat(rest2)));
    const denominator = f32x4.add(f32x4.mul(f32x4.sqrt(v1), f32x4.splat(denominatorScale)), f32x4.splat(eps));
    const change = f32x4.mul(f32x4.div(m1, denominator), f32x4.splat(stepSize));
    const p1 = f32x4.sub(f32x4.mul(whole ? v128.load(p) : loadLanes(p, size), f32x4.splat(decay)), change);
    if (whole) {
      v128.store(newP, p1);
      v128.store(newM, m1);
      v128.store(newV, v1);
    } else {
      storeLanes(newP, p1, size);
      storeLanes(newM, m1, size);
      storeLanes(newV, v1, size);
    }
    newP += 16;
    newM += 16;
    newV += 16;
    p += 16;
    gradient += 16;
    m += 16;
    v += 16;
  }
}
