import sharp from 'sharp';

/** Extensions of the formats that sharp's prebuilt binaries read. */
export const IMAGE_EXTENSIONS = ['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif', '.svg'] as const;

/** An image of more pixels is refused rather than decoded: a small file can claim gigabytes. */
const MAXIMUM_PIXELS = 300_000_000;

/**
 * Reads a picture as a square RGB image: EXIF rotation applied, color spaces and gray converted to sRGB, alpha laid
 * on white, the shorter side scaled to `size` and the longer one cropped at its center.
 *
 * @returns size x size x 3 bytes. @throws what sharp says of a broken file.
 */
export async function readSquareImage(path: string, size: number): Promise<Uint8Array> {
  const { data, info } = await sharp(path, { limitInputPixels: MAXIMUM_PIXELS, failOn: 'error' })
    .rotate()
    .toColorspace('srgb')
    .flatten({ background: '#ffffff' })
    .resize(size, size, { fit: 'cover', position: 'centre', kernel: 'lanczos3' })
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels === 3) return data;
  const rgb = new Uint8Array(size * size * 3);
  for (let i = 0; i < size * size; i++) for (let c = 0; c < 3; c++) rgb[3 * i + c] = data[i * info.channels];
  return rgb;
}

/** Writes `[height, width, 3]` bytes as a PNG. */
export async function encodePng(pixels: Uint8Array, width: number, height: number): Promise<Buffer> {
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
