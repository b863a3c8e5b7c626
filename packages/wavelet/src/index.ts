export { haarDwt2d, haarDwt2dPacked } from './haar-dwt2d';
export { haarIdwt2d, haarIdwt2dPacked } from './haar-idwt2d';
export { HAAR_DWT2D_KERNEL, HAAR_IDWT2D_KERNEL } from './haar-packed';
export type { Subbands } from './subbands';
export { type GateKind, WaveletGate, type WaveletGateConfig } from './wavelet-gate';
export type { FuseKind, WGConfig } from './wg-config';
export { WGDown } from './wg-down';
export { WGUp } from './wg-up';
