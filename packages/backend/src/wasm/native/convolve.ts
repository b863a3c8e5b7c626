import type { NativeLibrary } from './library';

/** What `convolve` of assembly/conv.ts takes; addresses and steps of the filter in bytes. */
export type Convolution = {
  readonly target: number;
  readonly source: number;
  readonly filter: number;
  readonly batch: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly inChannels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly outChannels: number;
  readonly filterHeight: number;
  readonly filterWidth: number;
  readonly stride: readonly [number, number];
  /** Distance of the pixels under neighboring taps; negative in the gradient. */
  readonly dilation: readonly [number, number];
  /** Position of the first tap of the first result. */
  readonly offset: readonly [number, number];
  /** Steps in the filter: to the tap below, to the tap on the right, to the next input and output channel. */
  readonly filterSteps: readonly [number, number, number, number];
  /** Add to what is in the target instead of replacing it. */
  readonly accumulate?: boolean;
};

/** Taps whose addresses fit the scratch memory. */
const MAX_TAPS = 121;

export function canConvolve(filterHeight: number, filterWidth: number): boolean {
  return filterHeight * filterWidth <= MAX_TAPS;
}

/** Runs a convolution; allocate its target before, so that nothing moves meanwhile. */
export function convolve(native: NativeLibrary, c: Convolution): void {
  const panels = Math.ceil(c.outChannels / 8);
  const packedFloats = c.filterHeight * c.filterWidth * c.inChannels * panels * 8 + c.inChannels;
  native.withMemory(4 * packedFloats, (packed) => {
    native.functions.convolve(
      ...[c.target, c.source, c.filter, c.batch, c.inHeight, c.inWidth, c.inChannels],
      ...[c.outHeight, c.outWidth, c.outChannels, c.filterHeight, c.filterWidth],
      ...c.stride,
      ...c.dilation,
      ...c.offset,
      ...c.filterSteps,
      ...[Number(!c.accumulate), packed, native.scratch],
    );
  });
}
