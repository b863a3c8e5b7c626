import { SpectralDiffusionError } from '@sd/core';

/** What is known of a tensor without a place on the GPU. */
export type GpuTensor = { readonly shape: readonly number[]; readonly dtype: string };

/**
 * A tensor that the GPU has no memory for, or that is larger than a buffer of the device may be. The process goes on: what
 * was computed since then is void, tensors made before are whole, and what is disposed of becomes free.
 */
export class GpuMemoryError extends SpectralDiffusionError {
  override readonly name = 'GpuMemoryError';

  constructor(
    readonly tensor: GpuTensor | null,
    /** Bytes that were asked for. */
    readonly bytes: number,
    reason: string,
  ) {
    const what = tensor === null ? 'a buffer' : `a tensor [${tensor.shape.join(', ')}] of ${tensor.dtype}`;
    super(`webgpu: no memory for ${what}, ${inMiB(bytes)}: ${reason}`);
  }
}

/** The GPU was taken away, by a reset of its driver for instance. Its tensors are gone; `useBackend` starts a new device. */
export class DeviceLostError extends SpectralDiffusionError {
  override readonly name = 'DeviceLostError';

  constructor(
    /** `destroyed` where the program gave it back. */
    readonly reason: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`webgpu: the device is lost (${reason}): ${message}`, options);
  }
}

/** Bytes as people read them. */
export const inMiB = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`;
