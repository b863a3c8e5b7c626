import { ArgumentError } from '@sd/core';
import { dawnMatrixUnits, matrixUnits } from './gemm/matrix-units';
import { FRAGMENT, SUBGROUP } from './gemm/tile';

/**
 * `float32`: no 16-bit number anywhere. `mixed`: convolutions and matrix products round their operands to 16 bits and sum in
 * 32, on the GPU's matrix units; everything else stays float32.
 */
export type Precision = 'float32' | 'mixed';

let wanted: Precision = 'float32';

/** @throws ArgumentError for another word. */
export function setPrecision(operation: string, precision: Precision): void {
  if (precision !== 'float32' && precision !== 'mixed') {
    throw new ArgumentError(operation, 'precision', "'float32' or 'mixed'", precision);
  }
  wanted = precision;
}

/** What is used on this device: `mixed` only where it was asked for and the device can. */
export function precisionOn(device: GPUDevice): Precision {
  const can = matrixUnits.current !== dawnMatrixUnits || whyNotMixed(device) === null;
  return wanted === 'mixed' && can ? 'mixed' : 'float32';
}

type MatrixConfig = Readonly<Record<'componentType' | 'resultComponentType', string>> &
  Readonly<Record<'M' | 'N' | 'K', number>>;
type Info = GPUAdapterInfo & { readonly subgroupMatrixConfigs?: readonly MatrixConfig[] };

const reasons = new WeakMap<GPUDevice, { readonly reason: string | null }>();

/** Why a device cannot run the mixed kernels, in one line, or null where it can. */
export function whyNotMixed(device: GPUDevice): string | null {
  let known = reasons.get(device);
  if (known === undefined) {
    known = { reason: findReason(device) };
    reasons.set(device, known);
  }
  return known.reason;
}

function findReason(device: GPUDevice): string | null {
  for (const feature of ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix']) {
    if (!device.features.has(feature)) return `the device lacks the feature ${feature}`;
  }
  const { subgroupMinSize, subgroupMaxSize, subgroupMatrixConfigs = [] } = (device.adapterInfo ?? {}) as Partial<Info>;
  if (subgroupMinSize !== SUBGROUP || subgroupMaxSize !== SUBGROUP) {
    return `its subgroups have ${subgroupMinSize} to ${subgroupMaxSize} threads, not ${SUBGROUP}`;
  }
  const fits = subgroupMatrixConfigs.some(
    ({ componentType, resultComponentType, M, N, K }) =>
      componentType === 'f16' && resultComponentType === 'f32' && M === FRAGMENT && N === FRAGMENT && K === FRAGMENT,
  );
  return fits ? null : `it multiplies no ${FRAGMENT}x${FRAGMENT}x${FRAGMENT} matrices of f16 into f32`;
}
