import type { Module } from '@sd/nn';
import * as tf from '@tensorflow/tfjs-core';
import { formatBytes } from '../format';
import { UserError } from '../user-error';

/** What a device can hold, by the names of its limits. */
export type DeviceLimits = {
  /** Of one tensor. */
  readonly tensor: { readonly name: string; readonly bytes: number };
  /** Of all together, where it is known. */
  readonly total: { readonly name: string; readonly bytes: number } | null;
};

const GIB = 2 ** 30;

/** Of the backend that runs. */
export function deviceLimits(): DeviceLimits {
  const { device } = tf.backend() as { readonly device?: GPUDevice };
  if (device === undefined) {
    const memory = { name: 'the 4 GiB of WebAssembly’s memory', bytes: 4 * GIB };
    return { tensor: memory, total: memory };
  }
  const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
  const tensor =
    maxBufferSize < maxStorageBufferBindingSize
      ? { name: 'maxBufferSize', bytes: maxBufferSize }
      : { name: 'maxStorageBufferBindingSize', bytes: maxStorageBufferBindingSize };
  return { tensor, total: null };
}

/** @throws {UserError} naming the limit that the networks' parameters, as float32, exceed. */
export function checkFits(
  networks: readonly { readonly name: string; readonly module: Module }[],
  { tensor, total }: DeviceLimits,
): void {
  let sum = 0;
  for (const { name, module } of networks) {
    for (const [parameter, { size }] of module.parameters()) {
      sum += 4 * size;
      if (4 * size > tensor.bytes) throw tooLarge(`${name}: its ${parameter}`, 4 * size, tensor);
    }
  }
  if (total !== null && sum > total.bytes) throw tooLarge(networks.map(({ name }) => name).join(' with '), sum, total);
}

/** @throws {UserError} where the largest tensor of a run would exceed the limit. */
export function checkActivations(
  name: string,
  run: { readonly batch: number; readonly pixels: number; readonly channels: number },
  { tensor }: DeviceLimits,
): void {
  const bytes = 4 * run.batch * run.pixels ** 2 * run.channels;
  if (bytes > tensor.bytes) throw tooLarge(`${name}: a batch of ${run.batch}`, bytes, tensor);
}

function tooLarge(what: string, bytes: number, limit: DeviceLimits['tensor']): UserError {
  return new UserError(`${what} needs ${formatBytes(bytes)}, more than ${limit.name} (${formatBytes(limit.bytes)})`);
}
