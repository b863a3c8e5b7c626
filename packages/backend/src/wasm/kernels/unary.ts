import type { NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import { Erf, Exp, LeakyRelu, Log, Softplus, Tanh, util } from '@tensorflow/tfjs-core';
import { addressOf, type NativeFunctionName } from '../native/library';
import { nativeKernel, type WasmKernel } from '../wasm-kernel';

/** A function of every element. @param factorsOf the arguments after the size */
function unary(
  kernelName: string,
  name: NativeFunctionName,
  factorsOf: (attrs: NamedAttrMap) => readonly number[] = () => [],
): WasmKernel {
  return nativeKernel(kernelName, ({ inputs, attrs, backend, native }): TensorInfo | null => {
    const { x } = inputs as { x: TensorInfo };
    if (x.dtype !== 'float32') return null;
    const out = backend.makeOutput(x.shape, 'float32');
    const addresses = [addressOf(backend, out), addressOf(backend, x)];
    native.runElements(name, addresses, util.sizeFromShape(x.shape), factorsOf(attrs));
    return out;
  });
}

export const exp = unary(Exp, 'exp');
export const log = unary(Log, 'log');
export const tanh = unary(Tanh, 'tanh');
export const erf = unary(Erf, 'erf');
export const softplus = unary(Softplus, 'softplus');
export const leakyRelu = unary(LeakyRelu, 'leakyRelu', ({ alpha }) => [alpha as number]);
