import { hasKernel } from '@sd/core';
import type { Scalar, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { foldWeight, halfSpectrum } from './half-spectrum';
import type { FftNorm } from './norm';
import { packedHalfSpectrum } from './packed-spectrum';
import { weightedPower } from './weighted-power';

/**
 * Kernel names that a backend may register, both, with F as `[N, C, M, 2, H]` of the columns v <= W/2 (real parts before
 * imaginary ones), and w as `[N | 1, H, W, C | 1]`:
 * `SpectralPower` {spectrum, weight} with {scale} -> [scale times the sum of w |F|^2 over the full spectrum];
 * `SpectralPowerGrad` {spectrum, weight, dy} with {scale} -> [its gradient by F].
 */
export const SPECTRAL_POWER_KERNEL = 'SpectralPower';
export const SPECTRAL_POWER_GRAD_KERNEL = 'SpectralPowerGrad';

/**
 * scale times the sum of w |F(x)|^2 over all frequencies, the weight a constant to differentiation. Where a kernel computes
 * it, it differentiates once.
 *
 * @param x `[N, H, W, C]`. Borrowed. @param weight `[N | 1, H, W, C | 1]`. Borrowed.
 * @returns a scalar. Owned by the caller.
 */
export function spectralPower(
  x: Tensor4D,
  weight: Tensor4D,
  { norm, scale }: { readonly norm: FftNorm; readonly scale: number },
): Scalar {
  return tf.tidy(() => {
    if (hasKernel(SPECTRAL_POWER_KERNEL)) return powerOf(packedHalfSpectrum(x, norm), weight, scale);
    const sum = weightedPower(halfSpectrum(x, norm), (_re, _im, full) => foldWeight(full!), [weight]);
    return scale === 1 ? sum : tf.mul(sum, scale);
  });
}

function powerOf(spectrum: Tensor, weight: Tensor4D, scale: number): Scalar {
  const { shape } = weight;
  const run = (name: string, inputs: tf.NamedTensorMap) => tf.engine().runKernel<Tensor>(name, inputs, { scale });
  const power = tf.customGrad<Scalar>((...args) => {
    const save = args.pop() as tf.GradSaveFunc;
    const [f, w] = args as [Tensor, Tensor];
    save([f, w]);
    return {
      value: run(SPECTRAL_POWER_KERNEL, { spectrum: f, weight: w }) as Scalar,
      gradFunc: (dy: Scalar, saved: Tensor[]) => {
        const inputs = { spectrum: saved[0]!, weight: saved[1]!, dy };
        return [run(SPECTRAL_POWER_GRAD_KERNEL, inputs), tf.zeros(shape)];
      },
    };
  });
  return power(spectrum, weight);
}
