export { BackendError } from './backend-error';
export type { BackendInfo, BackendName, BackendOptions } from './backend-info';
export { releaseBackend } from './release-backend';
export { useBackend } from './use-backend';
export { registerWasmTrainingKernels } from './wasm/index';
