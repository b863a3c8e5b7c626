import type { NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import { Erf, Exp, LeakyRelu, Log, Softplus, Tanh, util } from '@tensorflow/tfjs-core';
import { addressOf, type NativeLibrary } from '../native/library';
import { nativeKernel, type WasmKernel } from '../wasm-kernel';

type UnaryFunction = (native: NativeLibrary, target: number, source: number, size: number, attrs: NamedAttrMap) => void;

/** A function of every element. */
function unary(kernelName: string, apply: UnaryFunction): WasmKernel {
  return nativeKernel(kernelName, ({ inputs, attrs, backend, native }): TensorInfo | null => {
    const { x } = inputs as { x: TensorInfo };
    if (x.dtype !== 'float32') return null;
    const out = backend.makeOutput(x.shape, 'float32');
    apply(native, addressOf(backend, out), addressOf(backend, x), util.sizeFromShape(x.shape), attrs);
    return out;
  });
}

export const exp = unary(Exp, ({ functions }, to, from, size) => functions.exp(to, from, size));
export const log = unary(Log, ({ functions }, to, from, size) => functions.log(to, from, size));
export const tanh = unary(Tanh, ({ functions }, to, from, size) => functions.tanh(to, from, size));
export const erf = unary(Erf, ({ functions }, to, from, size) => functions.erf(to, from, size));
export const softplus = unary(Softplus, ({ functions }, to, from, size) => functions.softplus(to, from, size));
export const leakyRelu = unary(LeakyRelu, ({ functions }, to, from, size, attrs) =>
  functions.leakyRelu(to, from, size, attrs.alpha as number),
);
