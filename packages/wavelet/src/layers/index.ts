export { DWT } from './dwt';
export { IDWT, type IDWTArgs } from './idwt';
export { registerWaveletLayers } from './register';
export type { LayerArgs, WaveletLayerArgs } from './wavelet-layer';
export { WGDown } from './wg-down';
export type { WGLayerArgs } from './wg-layer';
export { WGUp, type WGUpArgs } from './wg-up';
