// Where `pnpm tune:gpu` puts what it measures: here the largest products of a UNet's passes, on an H200 (the first rows) and
// an H100, in some minutes of them. Of rows as near to a product the first is taken.
export type Tuned = {
  /** How A lies: along K (`rows`) or across it. */
  readonly left: 'rows' | 'columns';
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** See `tileKey`. */
  readonly tile: string;
  readonly workgroups: number;
};

export const TUNED: readonly Tuned[] = [
  { left: 'rows', m: 4096, n: 4096, k: 4096, tile: 'f64x128x16_8x8_2', workgroups: 2048 },
  { left: 'rows', m: 262144, n: 64, k: 576, tile: 'f128x64x16_8x8_2', workgroups: 2048 },
  { left: 'rows', m: 262144, n: 64, k: 576, tile: 'm256x64x16_64x32_1ah3', workgroups: 1024 },
  { left: 'rows', m: 65536, n: 128, k: 1152, tile: 'm256x64x16_64x32_1ah3', workgroups: 512 },
  { left: 'rows', m: 262144, n: 64, k: 1152, tile: 'm256x64x16_64x32_1ah3', workgroups: 1024 },
  { left: 'rows', m: 131072, n: 64, k: 576, tile: 'm256x64x16_64x32_1ah3', workgroups: 512 },
  { left: 'rows', m: 4096, n: 256, k: 2304, tile: 'm256x128x32_64x64_1', workgroups: 128 },
  { left: 'rows', m: 65536, n: 128, k: 2880, tile: 'm256x64x16_64x64_1ah3', workgroups: 512 },
  { left: 'rows', m: 65536, n: 128, k: 2304, tile: 'm256x64x16_64x64_1ah3', workgroups: 512 },
  { left: 'rows', m: 131072, n: 64, k: 1152, tile: 'm256x64x16_64x32_1ah3', workgroups: 512 },
  { left: 'rows', m: 131072, n: 128, k: 576, tile: 'm256x128x32_64x64_1', workgroups: 512 },
  { left: 'rows', m: 8192, n: 192, k: 1728, tile: 'm256x64x16_64x32_1ah3', workgroups: 96 },
  { left: 'rows', m: 65536, n: 384, k: 128, tile: 'm256x128x32_64x64_1', workgroups: 768 },
  { left: 'rows', m: 65536, n: 128, k: 1728, tile: 'm256x64x16_64x64_1ah3', workgroups: 512 },
  { left: 'rows', m: 131072, n: 64, k: 1728, tile: 'm256x64x16_64x32_1ah3', workgroups: 512 },
  { left: 'rows', m: 131072, n: 192, k: 576, tile: 'm256x64x16_64x32_1ah3', workgroups: 1536 },
  { left: 'columns', m: 1728, n: 64, k: 131072, tile: 'm576x64x64_144x32_1ahf', workgroups: 132 },
  { left: 'rows', m: 16384, n: 192, k: 1728, tile: 'm256x64x16_64x32_1ah3', workgroups: 192 },
  { left: 'rows', m: 32768, n: 128, k: 1152, tile: 'm256x64x16_64x32_1ah3', workgroups: 256 },
  { left: 'columns', m: 576, n: 64, k: 262144, tile: 'm576x64x64_144x32_1ahf', workgroups: 132 },
  { left: 'columns', m: 1152, n: 128, k: 32768, tile: 'm576x64x64_144x32_1ahf', workgroups: 132 },
  { left: 'columns', m: 1728, n: 192, k: 8192, tile: 'm288x32x64_144x16_1ahf', workgroups: 252 },
  { left: 'columns', m: 1152, n: 64, k: 131072, tile: 'm576x64x64_144x32_1ahf', workgroups: 132 },
  { left: 'rows', m: 4096, n: 4096, k: 4096, tile: 'f128x64x16_8x8_2', workgroups: 2048 },
  { left: 'rows', m: 4096, n: 4096, k: 4096, tile: 'm128x256x32_64x64_1a', workgroups: 512 },
  { left: 'rows', m: 262144, n: 64, k: 576, tile: 'f128x64x16_8x8_1', workgroups: 2048 },
  { left: 'rows', m: 262144, n: 64, k: 576, tile: 'm64x64x32_32x32_1', workgroups: 4096 },
  { left: 'rows', m: 65536, n: 128, k: 1152, tile: 'f64x128x16_8x8_2', workgroups: 1024 },
  { left: 'rows', m: 65536, n: 128, k: 1152, tile: 'm128x128x32_64x64_1', workgroups: 512 },
  { left: 'rows', m: 262144, n: 64, k: 1152, tile: 'f128x64x16_8x8_1', workgroups: 2048 },
  { left: 'rows', m: 262144, n: 64, k: 1152, tile: 'm128x64x32_64x32_1', workgroups: 2048 },
  { left: 'rows', m: 131072, n: 64, k: 576, tile: 'f128x64x16_8x8_1', workgroups: 1024 },
  { left: 'rows', m: 131072, n: 64, k: 576, tile: 'm128x64x32_64x32_1', workgroups: 1024 },
  { left: 'rows', m: 131072, n: 64, k: 576, tile: 'f128x64x16_8x8_2', workgroups: 1024 },
  { left: 'columns', m: 576, n: 64, k: 131072, tile: 'f128x64x16_8x8_2', workgroups: 130 },
  { left: 'columns', m: 576, n: 64, k: 131072, tile: 'm128x64x32_32x32_1', workgroups: 130 },
  { left: 'rows', m: 16384, n: 192, k: 1728, tile: 'f128x64x16_8x8_1', workgroups: 384 },
  { left: 'rows', m: 16384, n: 192, k: 1728, tile: 'm128x64x32_32x32_1', workgroups: 384 },
  { left: 'rows', m: 262144, n: 64, k: 1728, tile: 'f128x64x16_8x8_2', workgroups: 2048 },
  { left: 'rows', m: 262144, n: 64, k: 1728, tile: 'm128x64x32_64x32_1', workgroups: 2048 },
  { left: 'rows', m: 32768, n: 128, k: 1152, tile: 'f64x128x16_8x8_2', workgroups: 512 },
  { left: 'rows', m: 32768, n: 128, k: 1152, tile: 'm128x128x32_64x64_1', workgroups: 256 },
  { left: 'columns', m: 1152, n: 128, k: 32768, tile: 'f128x64x16_8x8_2', workgroups: 522 },
  { left: 'columns', m: 1152, n: 128, k: 32768, tile: 'm64x64x32_32x32_1', workgroups: 1044 },
  // By hand, after a shorter sweep: shapes that were not reached.
  { left: 'rows', m: 16384, n: 256, k: 2304, tile: 'f128x64x16_8x8_2', workgroups: 512 },
  { left: 'columns', m: 576, n: 64, k: 262144, tile: 'f128x64x16_8x8_2', workgroups: 512 },
  { left: 'columns', m: 128, n: 64, k: 1024, tile: 'f32x32x16_4x4_2', workgroups: 64 },
  { left: 'rows', m: 4096, n: 64, k: 576, tile: 'f64x64x16_4x4_2', workgroups: 256 },
  { left: 'rows', m: 64, n: 256, k: 2304, tile: 'f32x32x16_4x4_2', workgroups: 256 },
  { left: 'rows', m: 32, n: 32, k: 32, tile: 'f32x32x16_4x4_2', workgroups: 1 },
  { left: 'rows', m: 64, n: 256, k: 2304, tile: 'm32x32x32_16x16_1', workgroups: 256 },
  { left: 'columns', m: 576, n: 64, k: 262144, tile: 'm64x64x32_32x32_1', workgroups: 512 },
];
