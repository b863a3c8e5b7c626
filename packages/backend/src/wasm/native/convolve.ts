import { type NativeLibrary, WORTH_SHARING } from './library';

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

/** Positions that a kernel works on at a time. */
const BLOCK = 64;

/** Taps whose addresses fit the scratch memory. */
const MAX_TAPS = 121;

export function canConvolve(filterHeight: number, filterWidth: number): boolean {
  return filterHeight * filterWidth <= MAX_TAPS;
}

/** Runs a convolution; allocate its target before, so that nothing moves meanwhile. */
export function convolve(native: NativeLibrary, c: Convolution): void {
  const panels = Math.ceil(c.outChannels / 8);
  const depth = c.filterHeight * c.filterWidth * c.inChannels;
  const total = c.batch * c.outHeight * c.outWidth;
  const zerosAt = 4 * depth * panels * 8;
  native.withMemory(zerosAt + 4 * c.inChannels, (packed) => {
    native.fill(packed + zerosAt, c.inChannels, 0);
    const filter = [c.inChannels, c.outChannels, c.filterHeight, c.filterWidth, ...c.filterSteps];
    const [leastPanels, leastPositions] = [WORTH_SHARING / (8 * 8 * depth), WORTH_SHARING / (depth * c.outChannels)];
    native.run(
      'packFilter',
      native.parts(panels, 1, leastPanels).map((part) => [packed, c.filter, ...filter, ...part]),
    );
    // By positions, the inputs of which are gathered once; where an image is too small for that, by output channels too.
    const byPosition = native.parts(total, 4, Math.max(BLOCK, leastPositions));
    const isShort = byPosition.length < native.threads && total * depth * c.outChannels > 2 * WORTH_SHARING;
    const byPanel = isShort ? native.parts(panels) : [[0, panels] as const];
    native.run(
      'convolve',
      byPosition.flatMap((positions) =>
        byPanel.map((part) => [
          ...[c.target, c.source, c.inHeight, c.inWidth, c.inChannels, c.outHeight, c.outWidth, c.outChannels],
          ...[c.filterHeight, c.filterWidth, ...c.stride, ...c.dilation, ...c.offset],
          ...[Number(!c.accumulate), packed, ...positions, ...part],
        ]),
      ),
    );
  });
}
