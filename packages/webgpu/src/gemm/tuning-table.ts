// Where `pnpm tune:gpu` puts what it measures. These rows are by hand, from one sweep on an H100 whose clocks had not settled.
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
  { left: 'rows', m: 4096, n: 4096, k: 4096, tile: 'f128x64x16_8x8_2', workgroups: 512 },
  { left: 'rows', m: 262144, n: 64, k: 576, tile: 'f128x64x16_8x8_2', workgroups: 512 },
  { left: 'rows', m: 16384, n: 256, k: 2304, tile: 'f128x64x16_8x8_2', workgroups: 512 },
  { left: 'columns', m: 576, n: 64, k: 262144, tile: 'f128x64x16_8x8_2', workgroups: 512 },
  { left: 'columns', m: 128, n: 64, k: 1024, tile: 'f32x32x16_4x4_2', workgroups: 64 },
  { left: 'rows', m: 4096, n: 64, k: 576, tile: 'f64x64x16_4x4_2', workgroups: 256 },
  { left: 'rows', m: 64, n: 256, k: 2304, tile: 'f32x32x16_4x4_2', workgroups: 256 },
  { left: 'rows', m: 32, n: 32, k: 32, tile: 'f32x32x16_4x4_2', workgroups: 1 },
  { left: 'rows', m: 4096, n: 4096, k: 4096, tile: 'm128x128x32_64x64_1', workgroups: 256 },
  { left: 'rows', m: 262144, n: 64, k: 576, tile: 'm128x64x32_64x32_1', workgroups: 256 },
  { left: 'rows', m: 64, n: 256, k: 2304, tile: 'm32x32x32_16x16_1', workgroups: 256 },
  { left: 'columns', m: 576, n: 64, k: 262144, tile: 'm64x64x32_32x32_1', workgroups: 512 },
];
