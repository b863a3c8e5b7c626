// The umbrella brings the gradients, which tfjs-core alone lacks.
import '@tensorflow/tfjs';
import './to-be-allclose';

export { countDispatches } from './count-dispatches';
export { describeBackends } from './describe-backends';
export { expectGradient, type GradientOptions } from './expect-gradient';
export { expectTensors } from './expect-tensors';
export { golden, goldenJson } from './golden';
export { kernelsUsedBy } from './kernels-used-by';
export type { Tolerance } from './to-be-allclose';
export type { Values } from './values';
