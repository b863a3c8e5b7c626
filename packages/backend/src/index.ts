export { BackendError } from './backend-error';
export type { BackendInfo, BackendName, BackendOptions } from './backend-info';
export { DeviceLostError, GpuMemoryError, type GpuTensor } from './gpu-errors';
export { releaseBackend } from './release-backend';
export { useBackend } from './use-backend';
export { registerWasmTrainingKernels } from './wasm/index';
