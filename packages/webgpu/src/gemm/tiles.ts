import type { Float32Tile, MixedTile, Tile } from './tile';
import { FRAGMENT, TAPS, tileKey } from './tile';

const float32 = (
  [bm, bn, bk]: readonly [number, number, number],
  [tm, tn]: readonly [number, number],
  stages: 1 | 2,
  layout?: 'turned',
): Float32Tile => ({ kind: 'float32', bm, bn, bk, tm, tn, stages, turned: layout === 'turned' });
const mixed = (
  [bm, bn, bk]: readonly [number, number, number],
  [sm, sn]: readonly [number, number],
  stages: 1 | 2,
  order?: 'ahead',
): MixedTile => ({ kind: 'mixed', bm, bn, bk, sm, sn, stages, ahead: order === 'ahead', halo: 'none', taps: 1 });
const halo = (
  [bm, bn, bk]: readonly [number, number, number],
  [sm, sn]: readonly [number, number],
  taps: 1 | 3 | 9,
  order?: 'ahead',
): MixedTile => ({
  kind: 'mixed',
  ...{ bm, bn, bk, sm, sn, taps },
  stages: 1,
  ahead: order === 'ahead',
  halo: 'image',
});
/** Of as many channels and columns, and of `bk` pixels. */
const haloFilter = ([channels, bn, bk]: readonly [number, number, number], sn: number): MixedTile => ({
  kind: 'mixed',
  ...{ bm: TAPS * channels, bn, bk, sm: TAPS * FRAGMENT, sn },
  ...{ stages: 1, ahead: true, halo: 'filter', taps: 9 },
});

/** What the tuning command tries. */
export const TILES: readonly Tile[] = [
  float32([128, 128, 8], [16, 8], 2, 'turned'),
  float32([128, 256, 8], [16, 8], 2, 'turned'),
  float32([128, 128, 8], [8, 8], 2, 'turned'),
  float32([128, 64, 8], [8, 8], 2, 'turned'),
  float32([128, 128, 16], [8, 8], 2),
  float32([64, 128, 16], [8, 8], 2),
  float32([128, 64, 16], [8, 8], 1),
  float32([128, 64, 16], [8, 8], 2),
  float32([64, 64, 16], [8, 4], 2),
  float32([64, 64, 16], [4, 4], 2),
  float32([64, 32, 16], [4, 4], 2),
  float32([32, 64, 16], [4, 4], 2),
  float32([32, 32, 16], [4, 4], 2),
  mixed([128, 128, 32], [64, 64], 1),
  mixed([128, 128, 32], [64, 32], 1),
  mixed([128, 256, 32], [64, 64], 1),
  mixed([256, 128, 32], [64, 64], 1),
  mixed([128, 256, 16], [64, 64], 2),
  mixed([256, 128, 16], [64, 64], 2),
  mixed([128, 64, 32], [64, 32], 1),
  mixed([64, 128, 32], [32, 64], 1),
  mixed([128, 64, 32], [32, 32], 1),
  mixed([256, 64, 32], [64, 64], 1),
  mixed([64, 64, 32], [32, 32], 1),
  mixed([64, 64, 32], [32, 32], 2),
  mixed([64, 32, 32], [32, 16], 1),
  mixed([32, 32, 32], [16, 16], 1),
  mixed([128, 128, 32], [64, 64], 1, 'ahead'),
  mixed([128, 128, 32], [64, 32], 1, 'ahead'),
  mixed([256, 128, 32], [64, 64], 1, 'ahead'),
  mixed([128, 256, 32], [64, 64], 1, 'ahead'),
  mixed([128, 64, 32], [64, 32], 1, 'ahead'),
  mixed([128, 64, 32], [32, 32], 1, 'ahead'),
  mixed([256, 64, 32], [64, 64], 1, 'ahead'),
  mixed([128, 64, 64], [64, 32], 1, 'ahead'),
  mixed([64, 64, 64], [32, 32], 1, 'ahead'),
  mixed([64, 64, 32], [32, 32], 1, 'ahead'),
  mixed([64, 32, 32], [32, 16], 1, 'ahead'),
  halo([256, 64, 16], [64, 32], 3, 'ahead'),
  halo([256, 64, 16], [64, 64], 3, 'ahead'),
  halo([128, 64, 16], [32, 32], 9, 'ahead'),
  halo([128, 64, 32], [32, 32], 3, 'ahead'),
  halo([128, 128, 16], [64, 32], 3, 'ahead'),
  halo([128, 128, 32], [64, 32], 1, 'ahead'),
  halo([64, 64, 32], [32, 32], 3, 'ahead'),
  halo([64, 32, 32], [32, 16], 3, 'ahead'),
  halo([32, 32, 16], [16, 16], 3),
  halo([32, 32, 16], [16, 16], 1, 'ahead'),
  haloFilter([64, 64, 64], 32),
  haloFilter([64, 64, 64], 16),
  haloFilter([64, 64, 128], 32),
  haloFilter([32, 64, 64], 16),
  haloFilter([32, 32, 64], 16),
];

const byKey = new Map(TILES.map((tile) => [tileKey(tile), tile]));

/** The tile of a name in the table. */
export const tileOf = (key: string): Tile => byKey.get(key) as Tile;
