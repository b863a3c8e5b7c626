export { registerWebGPUKernels } from './register';
