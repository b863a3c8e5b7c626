/** How one workgroup cuts its part of a product. `bm` x `bn` results, `bk` terms at a time. */
export type Float32Tile = {
  readonly kind: 'float32';
  readonly bm: number;
  readonly bn: number;
  readonly bk: number;
  /** Results of one thread: `tm` x `tn`, multiples of four. */
  readonly tm: number;
  readonly tn: number;
  /** 2: the next tile is loaded while this one is multiplied, into a second half of the workgroup's memory. */
  readonly stages: 1 | 2;
  /** Whether tiles of A whose rows run along K are turned on their way into the workgroup's memory. */
  readonly turned: boolean;
};

/** The same on matrix units: `sm` x `sn` results for each subgroup of 32 threads. */
export type MixedTile = {
  readonly kind: 'mixed';
  readonly bm: number;
  readonly bn: number;
  readonly bk: number;
  readonly sm: number;
  readonly sn: number;
  readonly stages: 1 | 2;
  /** With one stage: whether the next values are fetched into registers before a tile is multiplied. */
  readonly ahead: boolean;
  /**
   * Whether pixels of a 3 x 3 convolution are read once for all taps. `image`: `bm` pixels are rows of an image, and `bk`
   * channels (`halo.ts`). `filter`: `bm` are the taps of some channels, and `bk` pixels are rows of an image, of a filter's
   * gradient (`halo-filter.ts`).
   */
  readonly halo: 'none' | 'image' | 'filter';
  /** Of `image`: taps whose filter is in the workgroup's memory at once. */
  readonly taps: 1 | 3 | 9;
};

export type Tile = Float32Tile | MixedTile;

/** Rows, columns and terms of the product that a matrix unit takes. */
export const FRAGMENT = 16;
export const SUBGROUP = 32;

export const threadsOf = (tile: Tile) =>
  tile.kind === 'float32'
    ? (tile.bm / tile.tm) * (tile.bn / tile.tn)
    : (tile.bm / tile.sm) * (tile.bn / tile.sn) * SUBGROUP;

const HALO_KEYS = {
  none: () => '',
  image: ({ taps }: MixedTile) => `h${taps}`,
  filter: () => 'hf',
} as const;

export const tileKey = (tile: Tile) =>
  tile.kind === 'float32'
    ? `f${tile.bm}x${tile.bn}x${tile.bk}_${tile.tm}x${tile.tn}_${tile.stages}${tile.turned ? 't' : ''}`
    : `m${tile.bm}x${tile.bn}x${tile.bk}_${tile.sm}x${tile.sn}_${tile.stages}${tile.ahead ? 'a' : ''}${HALO_KEYS[tile.halo](tile)}`;

/** Taps of the convolutions that tiles of images' rows are for. */
export const TAPS = 9;

/** Terms of the sum that a step of a tile takes. */
export const depthOf = (tile: Tile) => (tile.kind === 'mixed' && tile.halo === 'image' ? TAPS * tile.bk : tile.bk);

/** Pixels that 3 x 3 taps see from `pixels` of whole rows of an image. */
export const haloPixels = (pixels: number, width: number) => (pixels / width + 2) * (width + 2);

/** Threads from which on a workgroup's memory is short, and sums go through it to the result. */
export const MANY_THREADS = 256;

/**
 * Floats of a workgroup's memory through which sums pass before they are finished: `columns` of a subgroup's fragments at
 * once, in rows of `width`, which start in different banks of memory where there is room.
 */
export function scratchOf(tile: MixedTile) {
  const many = threadsOf(tile) >= MANY_THREADS;
  // A part of a filter leaves room for more.
  const isShort = tile.sn % (2 * FRAGMENT) !== 0 || (many && (tile.halo !== 'image' || tile.taps * tile.bk > 48));
  const columns = isShort ? FRAGMENT : 2 * FRAGMENT;
  const width = columns + (tile.halo === 'filter' ? 0 : ROW_PAD);
  return { columns, width, size: Math.max((threadsOf(tile) / SUBGROUP) * FRAGMENT * width, FRAGMENT * tile.bn) };
}

/** Numbers between the rows of a mixed tile, so that rows start in different banks of memory. */
export const ROW_PAD = 8;

/** Numbers between the rows of a turned tile of A. */
export const TURNED_PAD = 4;

/** Bytes of a workgroup's memory that a tile takes at most, for an image of this width where it is one of its rows. */
export function storageOf(tile: Tile, width = FRAGMENT): number {
  if (tile.kind === 'float32') {
    return (tile.bm + (tile.turned ? TURNED_PAD : 0) + tile.bn) * tile.bk * 4 * tile.stages;
  }
  const { bm, bn, bk, stages, halo, taps } = tile;
  const half = (extent: number) => 2 * Math.max(extent * (bk + ROW_PAD), bk * (extent + ROW_PAD)) * stages;
  const scratch = 4 * scratchOf(tile).size;
  if (halo === 'filter') {
    const ring = (bk / width + 2) * (width + 2) * (bm / TAPS + ROW_PAD);
    return 2 * (ring + bk * (bn + ROW_PAD)) + scratch;
  }
  if (halo === 'image') return 2 * haloPixels(bm, width) * (bk + ROW_PAD) + taps * half(bn) + scratch;
  return half(bm) + half(bn) + scratch;
}

/** Runs on every device that WebGPU allows. */
export const SMALLEST: Float32Tile = {
  kind: 'float32',
  ...{ bm: 32, bn: 32, bk: 16, tm: 4, tn: 4 },
  stages: 2,
  turned: false,
};
