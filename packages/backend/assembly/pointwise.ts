// Functions of every element of a tensor. The last one to three floats go through lanes that are filled up with zeros.
import { erfLanes, expLanes, logLanes, sigmoidLanes, siluSlope, softplusLanes, tanhLanes } from './functions';
import { loadLanes, storeLanes } from './lanes';

export function exp(dst: usize, src: usize, size: i32): void {
  for (; size >= 4; size -= 4, dst += 16, src += 16) v128.store(dst, expLanes(v128.load(src)));
  if (size > 0) storeLanes(dst, expLanes(loadLanes(src, size)), size);
}

export function log(dst: usize, src: usize, size: i32): void {
  for (; size >= 4; size -= 4, dst += 16, src += 16) v128.store(dst, logLanes(v128.load(src)));
  if (size > 0) storeLanes(dst, logLanes(loadLanes(src, size)), size);
}

export function tanh(dst: usize, src: usize, size: i32): void {
  for (; size >= 4; size -= 4, dst += 16, src += 16) v128.store(dst, tanhLanes(v128.load(src)));
  if (size > 0) storeLanes(dst, tanhLanes(loadLanes(src, size)), size);
}

export function erf(dst: usize, src: usize, size: i32): void {
  for (; size >= 4; size -= 4, dst += 16, src += 16) v128.store(dst, erfLanes(v128.load(src)));
  if (size > 0) storeLanes(dst, erfLanes(loadLanes(src, size)), size);
}

export function softplus(dst: usize, src: usize, size: i32): void {
  for (; size >= 4; size -= 4, dst += 16, src += 16) v128.store(dst, softplusLanes(v128.load(src)));
  if (size > 0) storeLanes(dst, softplusLanes(loadLanes(src, size)), size);
}

/** y = x / (1 + exp(-x)) */
export function silu(dst: usize, src: usize, size: i32): void {
  for (; size >= 4; size -= 4, dst += 16, src += 16) {
    const x = v128.load(src);
    v128.store(dst, f32x4.mul(x, sigmoidLanes(x)));
  }
  if (size > 0) {
    const x = loadLanes(src, size);
    storeLanes(dst, f32x4.mul(x, sigmoidLanes(x)), size);
  }
}

/** dx = dy times the derivative of x / (1 + exp(-x)) */
export function siluGradient(dst: usize, src: usize, dy: usize, size: i32): void {
  for (; size >= 4; size -= 4, dst += 16, src += 16, dy += 16) {
    v128.store(dst, f32x4.mul(siluSlope(v128.load(src)), v128.load(dy)));
  }
  if (size > 0) storeLanes(dst, f32x4.mul(siluSlope(loadLanes(src, size)), loadLanes(dy, size)), size);
}

/** y = x where x > 0, else slope x */
export function leakyRelu(dst: usize, src: usize, size: i32, slope: f32): void {
  const factor = f32x4.splat(slope);
  for (; size >= 4; size -= 4, dst += 16, src += 16) {
    const x = v128.load(src);
    v128.store(dst, v128.bitselect(x, f32x4.mul(x, factor), f32x4.gt(x, f32x4.splat(0))));
  }
  for (; size > 0; size--, dst += 4, src += 4) {
    const x = load<f32>(src);
    store<f32>(dst, x > 0 ? x : x * slope);
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
