export { checkAlive, checkInteger, checkRange, checkShape, type Dimension } from './checks';
export { dispatch, hasKernel } from './dispatch';
export { ArgumentError, formatValue, ShapeError, SpectralDiffusionError } from './errors';
export { letEventsIn } from './let-events-in';
export {
  foldIn,
  integerArray,
  normal,
  normalArray,
  permutation,
  type RandomKey,
  randomKey,
  THREEFRY_NORMAL_KERNEL,
  uniform,
  uniformArray,
} from './random';
export { threefry2x32 } from './threefry';
