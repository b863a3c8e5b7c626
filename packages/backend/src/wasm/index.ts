export { registerWasmTrainingKernels } from './register';
