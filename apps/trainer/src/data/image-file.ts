import sharp from 'sharp';

/** Extensions of the formats that sharp's prebuilt binaries read. */
export const IMAGE_EXTENSIONS = ['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif', '.svg'] as const;

/** An image of more pixels is refused rather than decoded: a small file can claim gigabytes. */
const MAXIMUM_PIXELS = 300_000_000;

/** How a square is cut from a picture. */
export type SquareOptions = {
  /** Height and width of the square, in pixels. */
  readonly size: number;
  /** What the shorter side is scaled to before the square is cut; `size` by default. With false nothing is scaled. */
  readonly resize?: number | false | undefined;
  /** Where the square lies along the width and the height: 0 at the left or the top, 1 at the other end. In the middle by default. */
  readonly place?: readonly [x: number, y: number] | undefined;
};

/**
 * Reads a picture as a square RGB image: EXIF rotation applied, color spaces and gray converted to sRGB, alpha laid
 * on white, the shorter side scaled to `size` and the longer one cropped at its center.
 *
 * @returns size x size x 3 bytes. @throws what sharp says of a broken file.
 */
export async function readSquareImage(path: string, size: number): Promise<Uint8Array> {
  return decodeSquareImage(path, { size });
}

/**
 * Reads a picture from a file or from bytes and cuts a square from it, otherwise as `readSquareImage`.
 * @returns size x size x 3 bytes. @throws what sharp says of a broken picture, and on one smaller than the square.
 */
export async function decodeSquareImage(
  picture: string | Uint8Array,
  { size, resize = size, place = [0.5, 0.5] }: SquareOptions,
): Promise<Uint8Array> {
  const rgb = sharp(picture, { limitInputPixels: MAXIMUM_PIXELS, failOn: 'error' })
    .rotate()
    .toColorspace('srgb')
    .flatten({ background: '#ffffff' });
  const centered = resize === size && place[0] === 0.5 && place[1] === 0.5;
  const scaled =
    resize === false
      ? rgb
      : centered
        ? rgb.resize(size, size, { fit: 'cover', position: 'centre', kernel: 'lanczos3' })
        : rgb.resize(resize, resize, { fit: 'outside', kernel: 'lanczos3' });
  const { data, info } = await scaled.removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (width < size || height < size) {
    throw new Error(`it is ${width}x${height}, smaller than the square of ${size}x${size} that is cut from it`);
  }
  const left = Math.round(place[0] * (width - size));
  const top = Math.round(place[1] * (height - size));
  const square = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const from = channels * ((top + y) * width + left + x);
      for (let c = 0; c < 3; c++) square[3 * (y * size + x) + c] = data[from + (channels === 3 ? c : 0)];
    }
  }
  return square;
}

/** Writes `[height, width, 3]` bytes as a PNG. */
export async function encodePng(pixels: Uint8Array, width: number, height: number): Promise<Buffer> {
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
