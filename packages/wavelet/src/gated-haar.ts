import { dispatch, hasKernel } from '@sd/core';
import type { Tensor, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { applyGates } from './apply-gates';
import { packedDwt, packedIdwt } from './haar-packed';

/**
 * Kernel names that a backend may register, all three or none: Haar transforms with gates `[N, 4, G]` of the packed
 * subbands, G their channels or 1, in one pass over the image.
 * `GatedHaarDwt2d` {x `[N, H, W, C]`, gates} -> gates DWT(x) `[N, H/2, W/2, 4C]`;
 * `GatedHaarIdwt2d` {x `[N, H, W, 4C]`, gates} -> IDWT(gates x) `[N, 2H, 2W, C]`;
 * `HaarGateGrad` {x `[N, H, W, C]`, packed `[N, H/2, W/2, 4C]`} -> sums over pixels of packed DWT(x), `[N, 4, C]`.
 */
export const GATED_HAAR_DWT2D_KERNEL = 'GatedHaarDwt2d';
export const GATED_HAAR_IDWT2D_KERNEL = 'GatedHaarIdwt2d';
export const HAAR_GATE_GRAD_KERNEL = 'HaarGateGrad';

/** @param x `[N, even, even, C]`. @param gates `[N, 4, C]` or `[N, 4, 1]`. @returns `[N, H/2, W/2, 4C]`. Checked shapes. */
export function gatedDwt(x: Tensor4D, gates: Tensor3D): Tensor4D {
  if (!hasKernel(GATED_HAAR_DWT2D_KERNEL)) return applyGates(packedDwt(x), gates);
  return fusedDwt(x, gates) as Tensor4D;
}

/** @param packed `[N, H, W, 4C]`. @param gates `[N, 4, C]` or `[N, 4, 1]`. @returns `[N, 2H, 2W, C]`. Checked shapes. */
export function gatedIdwt(packed: Tensor4D, gates: Tensor3D): Tensor4D {
  if (!hasKernel(GATED_HAAR_IDWT2D_KERNEL)) return packedIdwt(applyGates(packed, gates));
  return fusedIdwt(packed, gates) as Tensor4D;
}

// y = g DWT(x): the DWT being orthonormal, dx = IDWT(g dy), which is the other kernel; dg = sum of dy DWT(x).
const fusedDwt = withGradient(gatedDwtKernel, gatedIdwtKernel, (x, dy) => gateGradient(x, dy));
// y = IDWT(g p): dp = g DWT(dy); dg = sum of p DWT(dy).
const fusedIdwt = withGradient(gatedIdwtKernel, gatedDwtKernel, (packed, dy) => gateGradient(dy, packed));

type Gated = (x: Tensor, gates: Tensor) => Tensor;

function withGradient(forward: Gated, adjoint: Gated, sums: (x: Tensor, dy: Tensor) => Tensor): Gated {
  return tf.customGrad((...args) => {
    const [x, gates, save] = args as unknown as [Tensor, Tensor, tf.GradSaveFunc];
    save([x, gates]);
    const gradFunc = (dy: Tensor, saved: Tensor[]) => {
      const [xSaved, gatesSaved] = saved as [Tensor, Tensor];
      const perChannel = sums(xSaved, dy); // [N, 4, C]
      const perGate = gatesSaved.shape[2] === 1 ? tf.sum(perChannel, 2, true) : perChannel; // [N, 4, G]
      return [adjoint(dy, gatesSaved), perGate];
    };
    return { value: forward(x, gates), gradFunc };
  });
}

function gatedDwtKernel(x: Tensor, gates: Tensor): Tensor {
  const reference = () => applyGates(packedDwt(x as Tensor4D), gates as Tensor3D);
  return dispatch(GATED_HAAR_DWT2D_KERNEL, { x, gates }, {}, reference)[0];
}

function gatedIdwtKernel(x: Tensor, gates: Tensor): Tensor {
  const reference = () => packedIdwt(applyGates(x as Tensor4D, gates as Tensor3D));
  return dispatch(GATED_HAAR_IDWT2D_KERNEL, { x, gates }, {}, reference)[0];
}

function gateGradient(x: Tensor, packed: Tensor): Tensor {
  const reference = () => {
    const sums = tf.sum(tf.mul(packedDwt(x as Tensor4D), packed), [1, 2]); // [N, 4C]
    return tf.reshape(sums, [x.shape[0] as number, 4, -1]);
  };
  return dispatch(HAAR_GATE_GRAD_KERNEL, { x, packed }, {}, reference)[0];
}
