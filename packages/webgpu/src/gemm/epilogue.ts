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
