import type { Activation, Epilogue } from './gemm';

/** WGSL of a function `activate` of one value. */
export const activationCode: Readonly<Record<Activation, string>> = {
  linear: 'x',
  relu: 'max(x, 0.0)',
  relu6: 'clamp(x, 0.0, 6.0)',
  sigmoid: '1.0 / (1.0 + exp(-x))',
  elu: 'select(exp(min(x, 0.0)) - 1.0, x, x >= 0.0)',
  silu: 'x / (1.0 + exp(-x))',
};

/** Names an epilogue among the pipelines. */
export function epilogueKey({ bias, activation = 'linear', residual }: Epilogue = {}): string {
  return `${bias ? 'b' : ''}${activation}${residual ? 'r' : ''}`;
}

/** WGSL of `finish(sum, n, at)`: what is written for a sum of column n at the place `at` of the result. */
export function finishCode({ bias, activation = 'linear', residual }: Epilogue = {}): string {
  return `
    fn activate(x : f32) -> f32 { return ${activationCode[activation]}; }
    fn finish(sum : f32, n : i32, at : i32) -> f32 {
      return activate(sum${bias ? ' + bias[n]' : ''})${residual ? ' + residual[at]' : ''};
    }`;
}

/**
 * WGSL of what writes sums to the result: `put4(m, n, sums)` four of a row, where the result is bound in fours, else
 * `put(m, n, sum)` one.
 */
export const putCode = (vectorOut: boolean) =>
  vectorOut
    ? `fn put4(m : i32, n : i32, v : vec4<f32>) {
        let at = outBase + m * uniforms.n + n;
        result[at / 4] = vec4<f32>(finish(v.x, n, at), finish(v.y, n + 1, at + 1), finish(v.z, n + 2, at + 2), finish(v.w, n + 3, at + 3));
      }`
    : 'fn put(m : i32, n : i32, v : f32) { let at = outBase + m * uniforms.n + n; result[at] = finish(v, n, at); }';
