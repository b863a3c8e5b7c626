import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type Precision, precisionOn } from '../precision';
import type { Gemm } from './gemm';
import { magnitudes, type Scaled } from './magnitudes';
import { planFor } from './plan';
import { type Plan, runGemm } from './run-gemm';

/** Multiplications below which scaled operands cost more than matrix units save. */
const FEWEST_SCALED = 2 ** 24;

const plans = new WeakMap<GPUDevice, Map<string, Plan>>();

/** `planFor`, which goes through the whole table, once for each shape. */
function knownPlan(gemm: Gemm, precision: Precision, device: GPUDevice): Plan {
  const known = plans.get(device) ?? new Map<string, Plan>();
  plans.set(device, known);
  const { left, right, m, n, k, batches } = gemm;
  const image = left.gather && Object.values(left.gather).join(' ');
  const key = `${precision} ${left.layout} ${right.layout} ${m} ${n} ${k} ${batches} ${image}`;
  const plan = known.get(key) ?? planFor(gemm, precision, device);
  known.set(key, plan);
  return plan;
}

/** Told of each product. Set by the tuning command, which measures the shapes that a model asks for. */
export const observer: { current: ((gemm: Gemm) => void) | null } = { current: null };

/**
 * Runs a product with the tile and the parts that suit its shape, in the precision that was asked for.
 * @param scaled operands that may be of any magnitude, as gradients are: mixed precision scales them first.
 * @returns owned by the caller.
 */
export function product(backend: WebGPUBackend, gemm: Gemm, { scaled }: { scaled: Scaled | 'none' }): TensorInfo {
  observer.current?.(gemm);
  const { left, right, m, n, k, batches } = gemm;
  const isSmall = scaled !== 'none' && m * n * k * batches < FEWEST_SCALED;
  const precision = isSmall ? 'float32' : precisionOn(backend.device);
  const plan = knownPlan(gemm, precision, backend.device);
  if (plan.tile.kind === 'float32' || scaled === 'none') return runGemm(backend, gemm, plan);
  const peaks = magnitudes(backend, left.tensor, right.tensor, scaled);
  const result = runGemm(backend, gemm, { ...plan, magnitudes: peaks });
  backend.disposeData(peaks.dataId);
  return result;
}
