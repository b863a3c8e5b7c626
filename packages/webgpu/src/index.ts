export { type Precision, whyNotMixed } from './precision';
export { type RecordedForward, recordForward } from './record-forward';
export { registerWebGPUKernels } from './register';
