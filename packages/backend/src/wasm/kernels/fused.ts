import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { assertFloat32 } from '../composed/conv-geometry';
import { addressOf, type NativeLibrary } from '../native/library';
import { heapFloats, nativeKernel, type WasmKernel } from '../wasm-kernel';

// Kernels that other packages look for under these names and replace by compositions where there are none. Their
// definitions are with the owners: nn (group-norm.ts, silu.ts, optim/adamw.ts) and wavelet (haar-packed.ts).

type NormAttributes = { readonly groups: number; readonly eps: number; readonly silu: boolean };

/** Values that pay for sharing a normalization among threads. */
const LEAST_NORMALIZED = 16384;
/** Numbers per channel that the scratch memory holds at most. */
const MAX_CHANNELS = 8192;

function normSizes(kernel: string, x: TensorInfo, { groups }: NormAttributes): [number, number, number] {
  const channels = x.shape.at(-1) as number;
  if (channels % groups !== 0 || channels > MAX_CHANNELS) {
    throw new Error(`${kernel}: at most ${MAX_CHANNELS} channels in equal groups, got ${channels} in ${groups}`);
  }
  const batch = x.shape[0] as number;
  return [batch, util.sizeFromShape(x.shape) / (batch * channels), channels];
}

/** Each part of the work is a few groups of all images; every address moves with the channels. */
function runByGroups(
  native: NativeLibrary,
  name: 'groupNorm' | 'groupNormGradient',
  addresses: readonly number[],
  [batch, pixels, channels]: readonly [number, number, number],
  { groups, eps, silu }: NormAttributes,
): void {
  const size = channels / groups;
  const parts = native.parts(groups, 1, LEAST_NORMALIZED / (batch * pixels * size));
  native.run(
    name,
    parts.map(([from, to]) => [
      ...addresses.map((at) => at + 4 * from * size),
      ...[batch, pixels, (to - from) * size, to - from, eps, Number(silu), 4 * channels],
    ]),
  );
}

/** {x `[N, .., C]`, scale `[C]`, shift `[C]`} with {groups, eps, silu} -> y */
export const groupNorm = nativeKernel('GroupNorm', ({ inputs, attrs, backend, native }): TensorInfo => {
  const { x, scale, shift } = inputs as { x: TensorInfo; scale: TensorInfo; shift: TensorInfo };
  assertFloat32('GroupNorm', { x, scale, shift });
  const { groups, eps, silu } = attrs as NormAttributes;
  const sizes = normSizes('GroupNorm', x, { groups, eps, silu });
  const y = backend.makeOutput(x.shape, 'float32');
  const addresses = [y, x, scale, shift].map((tensor) => addressOf(backend, tensor));
  runByGroups(native, 'groupNorm', addresses, sizes, { groups, eps, silu });
  return y;
});

/** {x, scale, shift, dy} -> [dx, dscale, dshift] */
export const groupNormGrad = nativeKernel('GroupNormGrad', ({ inputs, attrs, backend, native }): TensorInfo[] => {
  const { x, scale, shift, dy } = inputs as { x: TensorInfo; scale: TensorInfo; shift: TensorInfo; dy: TensorInfo };
  assertFloat32('GroupNormGrad', { x, scale, shift, dy });
  const { groups, eps, silu } = attrs as NormAttributes;
  const sizes = normSizes('GroupNormGrad', x, { groups, eps, silu });
  const outputs = [x, scale, shift].map(({ shape }) => backend.makeOutput(shape, 'float32'));
  const addresses = [...outputs, x, scale, shift, dy].map((tensor) => addressOf(backend, tensor));
  runByGroups(native, 'groupNormGradient', addresses, sizes, { groups, eps, silu });
  return outputs;
});

/** {x} -> x sigmoid(x) */
export const silu = nativeKernel('SiLU', ({ inputs, backend, native }): TensorInfo => {
  const { x } = inputs as { x: TensorInfo };
  assertFloat32('SiLU', { x });
  const y = backend.makeOutput(x.shape, 'float32');
  native.runElements('silu', [addressOf(backend, y), addressOf(backend, x)], util.sizeFromShape(x.shape));
  return y;
});

/** {x, dy} -> dx */
export const siluGrad = nativeKernel('SiLUGrad', ({ inputs, backend, native }): TensorInfo => {
  const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
  assertFloat32('SiLUGrad', { x, dy });
  const dx = backend.makeOutput(x.shape, 'float32');
  const addresses = [dx, x, dy].map((tensor) => addressOf(backend, tensor));
  native.runElements('siluGradient', addresses, util.sizeFromShape(x.shape));
  return dx;
});

type AdamWAttributes = Readonly<Record<'decay' | 'beta1' | 'beta2' | 'stepSize' | 'denominatorScale' | 'eps', number>>;

/** {parameter, gradient, expAvg, expAvgSq, gradientScale} -> [parameter, expAvg, expAvgSq] */
export const adamw = nativeKernel('AdamW', ({ inputs, attrs, backend, native }): TensorInfo[] => {
  assertFloat32('AdamW', inputs);
  const { parameter, gradient, expAvg, expAvgSq, gradientScale } = inputs as Record<string, TensorInfo> & {
    gradientScale: TensorInfo;
  };
  const sources = [parameter, gradient, expAvg, expAvgSq] as TensorInfo[];
  const { decay, beta1, beta2, stepSize, denominatorScale, eps } = attrs as AdamWAttributes;
  const [scale] = heapFloats(backend, gradientScale) as unknown as [number];
  const shape = (sources[0] as TensorInfo).shape;
  const outputs = [0, 1, 2].map(() => backend.makeOutput(shape, 'float32'));
  const addresses = [...outputs, ...sources].map((tensor) => addressOf(backend, tensor));
  const factors = [decay, beta1, 1 - beta1, beta2, 1 - beta2, stepSize, denominatorScale, eps];
  native.runElements('adamw', addresses, util.sizeFromShape(shape), [scale, ...factors]);
  return outputs;
});

function haar(kernelName: string, shapeOf: (shape: readonly number[]) => number[], run: HaarFunction): WasmKernel {
  return nativeKernel(kernelName, ({ inputs, backend, native }): TensorInfo => {
    const { x } = inputs as { x: TensorInfo };
    assertFloat32(kernelName, { x });
    const out = backend.makeOutput(shapeOf(x.shape), 'float32');
    const packed = kernelName === HAAR_DWT ? out.shape : x.shape;
    const [n, h, w, c] = packed as [number, number, number, number];
    run(native.functions)(addressOf(backend, out), addressOf(backend, x), n * h, w, c / 4);
    return out;
  });
}

type HaarFunction = (functions: NativeLibrary['functions']) => (...numbers: number[]) => void;

const HAAR_DWT = 'HaarDwt2d';

/** {x `[N, H, W, C]`} -> `[N, H/2, W/2, 4C]`: LL, LH, HL, HH */
export const haarDwt2d = haar(
  HAAR_DWT,
  ([n = 0, h = 0, w = 0, c = 0]) => [n, h / 2, w / 2, 4 * c],
  (functions) => functions.haarForward,
);

/** Its inverse. */
export const haarIdwt2d = haar(
  'HaarIdwt2d',
  ([n = 0, h = 0, w = 0, c = 0]) => [n, 2 * h, 2 * w, c / 4],
  (functions) => functions.haarInverse,
);
