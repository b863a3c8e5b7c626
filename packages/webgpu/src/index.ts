export { type Precision, whyNotMixed } from './precision';
export { type RecordedForward, type RecordForwardOptions, recordForward } from './record-forward';
export { registerWebGPUKernels } from './register';
export { type Replayed, type ReplayedOptions, replayed } from './replayed';
