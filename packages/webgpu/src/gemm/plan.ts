import type { Precision } from '../precision';
import type { Gemm, Left } from './gemm';
import { suitsHalo } from './halo';
import { suitsHaloFilter } from './halo-filter';
import { fits } from './operands';
import type { Plan } from './run-gemm';
import { depthOf, SMALLEST, storageOf, type Tile, threadsOf } from './tile';
import { tileOf } from './tiles';
import { TUNED, type Tuned } from './tuning-table';

/** Steps of a tile that a part of a sum takes at least: fewer, and adding the parts costs more than they save. */
const MIN_STEPS = 4;

const isLeftAlongK = ({ layout }: Left) => layout === 'rows' || layout === 'gather';

const SUITS = { none: () => true, image: suitsHalo, filter: suitsHaloFilter } as const;

/** Whether a device can run a tile of this precision, and its threads can load these operands. */
export function suits(
  tile: Tile,
  precision: Precision,
  gemm: Pick<Gemm, 'left' | 'right' | 'm' | 'n' | 'k'>,
  { limits }: Pick<GPUDevice, 'limits'>,
): boolean {
  if (tile.kind !== precision) return false;
  const { left, right } = gemm;
  const halo = tile.kind === 'mixed' ? tile.halo : 'none';
  if (tile.kind === 'mixed' && !SUITS[tile.halo](tile, gemm)) return false;
  const threads = threadsOf(tile);
  if (threads > Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX)) return false;
  if (storageOf(tile, halo === 'none' ? undefined : left.gather?.width) > limits.maxComputeWorkgroupStorageSize)
    return false;
  if (halo !== 'none') return true;
  return (
    fits(tile.bm, tile.bk, threads, isLeftAlongK(left)) && fits(tile.bn, tile.bk, threads, right.layout === 'columns')
  );
}

/** How many workgroups compute one part of a product. */
export const workgroupsOf = (tile: Tile, { m, n, batches }: Pick<Gemm, 'm' | 'n' | 'batches'>): number =>
  Math.ceil(m / tile.bm) * Math.ceil(n / tile.bn) * batches;

/** Into how many parts the sum of a tile can be cut. */
const mostParts = (tile: Tile, { k }: Pick<Gemm, 'k'>) => Math.max(1, Math.floor(k / (MIN_STEPS * depthOf(tile))));

/**
 * Workgroups below which a large GPU has units without work: tiles that read a pixel once for all taps are large, and their
 * sums cannot be cut finely, so that other tiles are quicker for few pixels.
 */
const FEWEST_WORKGROUPS = 128;

const fills = (tile: Tile, gemm: Gemm) =>
  tile.kind === 'float32' ||
  tile.halo === 'none' ||
  workgroupsOf(tile, gemm) * mostParts(tile, gemm) >= FEWEST_WORKGROUPS;

/** How unlike two shapes are, in rows, columns and terms, by factors. */
const distance = (gemm: Gemm, tuned: Tuned) =>
  Math.abs(Math.log2((gemm.m * gemm.batches) / tuned.m)) +
  Math.abs(Math.log2(gemm.n / tuned.n)) +
  Math.abs(Math.log2(gemm.k / tuned.k));

/**
 * The tile of the most similar shape that was measured (`pnpm tune:gpu`), of those that the device can run, and as many
 * parts as give about as many workgroups as were best there.
 */
export function planFor(gemm: Gemm, precision: Precision, device: Pick<GPUDevice, 'limits'>): Plan {
  const along = isLeftAlongK(gemm.left) ? 'rows' : 'columns';
  let best: Tuned | null = null;
  for (const tuned of TUNED) {
    const tile = tileOf(tuned.tile);
    if (tuned.left !== along || !suits(tile, precision, gemm, device) || !fills(tile, gemm)) continue;
    if (best === null || distance(gemm, tuned) < distance(gemm, best)) best = tuned;
  }
  if (best === null) return { tile: SMALLEST, parts: 1 };
  const tile = tileOf(best.tile);
  return {
    tile,
    parts: Math.min(mostParts(tile, gemm), Math.max(1, Math.round(best.workgroups / workgroupsOf(tile, gemm)))),
  };
}
