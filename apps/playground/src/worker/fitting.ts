import type { TensorFile } from '@sd/checkpoint';
import { SpectralDiffusionError } from '@sd/core';
import type { Module } from '@sd/nn';

/** The same network, whose names and shapes are the file's. @throws {StateDictError} */
export function planned<M extends Module>(module: M, file: TensorFile): M {
  module.planLoad(new Map(file.names.map((name) => [name, file.info(name)])));
  return module;
}

/** The network of the first configuration that the file fits; null where there is none. */
export function firstFitting<C, M extends Module>(
  configs: readonly C[],
  build: (config: C) => M,
  file: TensorFile,
): M | null {
  for (const config of configs) {
    try {
      return planned(build(config), file);
    } catch (error) {
      if (!(error instanceof SpectralDiffusionError || error instanceof TypeError)) throw error;
    }
  }
  return null;
}
