export { BackendError } from './backend-error';
export type { BackendInfo, BackendName, BackendOptions } from './backend-info';
export { useBackend } from './use-backend';
