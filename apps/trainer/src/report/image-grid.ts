import { ArgumentError, checkShape } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import sharp from 'sharp';
import type { ImageGrid } from './report-data';

export type ImageGridOptions = {
  /** Images in a row; a square grid by default. */
  readonly columns?: number;
  /** Every pixel becomes scale x scale pixels; by default a cell is about 96 pixels. */
  readonly scale?: number;
  /** White pixels between cells. */
  readonly gap?: number;
};

const CELL_PIXELS = 96;

/**
 * Lays images out in a grid.
 * @param images `[N, H, W, 3]` in [-1, 1]. Borrowed.
 * @returns the PNG and its layout. @throws {ShapeError} @throws {ArgumentError}
 */
async function layOut(
  images: Tensor4D,
  options: ImageGridOptions,
): Promise<{ readonly png: Buffer; readonly layout: Omit<ImageGrid, 'dataUri'> }> {
  checkShape('imageGrid', 'images', images, ['N', 'H', 'W', 3]);
  const [count, height, width] = images.shape;
  const {
    columns = Math.ceil(Math.sqrt(count)),
    scale = Math.max(1, Math.round(CELL_PIXELS / width)),
    gap = 4,
  } = options;
  if (count === 0) throw new ArgumentError('imageGrid', 'images', 'at least one image', count);
  const rows = Math.ceil(count / columns);
  const gridWidth = columns * width * scale + (columns - 1) * gap;
  const gridHeight = rows * height * scale + (rows - 1) * gap;
  const pixels = new Uint8Array(gridWidth * gridHeight * 3).fill(255);
  const values = await images.data();
  for (let i = 0; i < count; i++) {
    const left = (i % columns) * (width * scale + gap);
    const top = Math.floor(i / columns) * (height * scale + gap);
    for (let y = 0; y < height * scale; y++) {
      for (let x = 0; x < width * scale; x++) {
        const source = 3 * ((i * height + Math.floor(y / scale)) * width + Math.floor(x / scale));
        const target = 3 * ((top + y) * gridWidth + left + x);
        for (let c = 0; c < 3; c++) pixels[target + c] = toByte(values[source + c]);
      }
    }
  }
  const png = await sharp(pixels, { raw: { width: gridWidth, height: gridHeight, channels: 3 } })
    .png()
    .toBuffer();
  return { png, layout: { width: gridWidth, height: gridHeight, columns, rows } };
}

/** The grid as a data URI, for the report. */
export async function makeImageGrid(images: Tensor4D, options: ImageGridOptions = {}): Promise<ImageGrid> {
  const { png, layout } = await layOut(images, options);
  return { dataUri: `data:image/png;base64,${png.toString('base64')}`, ...layout };
}

/** The grid as the bytes of a PNG file, with its size in pixels. */
export async function imageGridFile(
  images: Tensor4D,
  options: ImageGridOptions = {},
): Promise<{ readonly png: Buffer; readonly width: number; readonly height: number }> {
  const { png, layout } = await layOut(images, options);
  return { png, width: layout.width, height: layout.height };
}

/** The grid as the bytes of a PNG file. */
export async function imageGridPng(images: Tensor4D, options: ImageGridOptions = {}): Promise<Buffer> {
  return (await layOut(images, options)).png;
}

/** [-1, 1] to 0..255; outside is clamped and what is not a number is black. */
function toByte(value: number): number {
  return Math.min(255, Math.max(0, Math.round((value + 1) * 127.5))) || 0;
}
