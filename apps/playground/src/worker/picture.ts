import { randomKey } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { DeadLeaves } from '../trainer';
import { UserError } from '../user-error';

const MAX_BYTES = 64e6;

/**
 * A picture as models see it: the shorter side scaled to `size`, the longer one cut in the middle.
 * @param file of any format that the browser reads; null for a generated picture of discs.
 * @returns `[1, size, size, 3]` in [-1, 1]. Owned by the caller. @throws {UserError} on what is no picture.
 */
export async function pictureTensor(file: Blob | null, size: number): Promise<Tensor4D> {
  if (file === null) return new DeadLeaves(randomKey(5), 1, size).batch([0]);
  if (file.size > MAX_BYTES) throw new UserError(`the picture has ${file.size} bytes, more than ${MAX_BYTES}`);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new UserError(`${nameOf(file)} is no picture that this browser can read`);
  }
  try {
    const canvas = new OffscreenCanvas(size, size);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (context === null) throw new UserError('this browser draws no pictures in workers');
    context.fillStyle = 'white'; // behind what is transparent
    context.fillRect(0, 0, size, size);
    context.imageSmoothingQuality = 'high';
    const side = Math.min(bitmap.width, bitmap.height);
    const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
    context.drawImage(bitmap, left, top, side, side, 0, 0, size, size);
    const { data } = context.getImageData(0, 0, size, size);
    const values = new Float32Array(size * size * 3);
    for (let i = 0; i < size * size; i++) {
      for (let c = 0; c < 3; c++) values[3 * i + c] = data[4 * i + c] / 127.5 - 1;
    }
    return tf.tensor4d(values, [1, size, size, 3]);
  } finally {
    bitmap.close();
  }
}

function nameOf(file: Blob): string {
  return file instanceof File ? file.name : 'the file';
}
