export { type RecordedForward, recordForward } from './record-forward';
export { registerWebGPUKernels } from './register';
