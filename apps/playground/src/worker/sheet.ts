import type { Tensor4D } from '@tensorflow/tfjs-core';
import type { Sheet } from '../protocol';

/** Images in [-1, 1], `[N, H, W, 1 or 3]`, in a grid that is as square as can be. @param images borrowed. */
export async function sheetOf(images: Tensor4D, columns?: number): Promise<Sheet> {
  return sheetOfValues((await images.data()) as Float32Array, images.shape, columns);
}

export function sheetOfValues(
  values: Float32Array,
  [count, height, width, channels]: readonly [number, number, number, number],
  columns = Math.ceil(Math.sqrt(count)),
): Sheet {
  const rows = Math.ceil(count / columns);
  const whole = { width: columns * width, height: rows * height };
  const pixels = new Uint8ClampedArray(4 * whole.width * whole.height);
  for (let i = 0; i < count; i++) {
    const left = (i % columns) * width;
    const top = Math.floor(i / columns) * height;
    for (let y = 0; y < height; y++) {
      let target = 4 * ((top + y) * whole.width + left);
      let source = channels * (i * height + y) * width;
      for (let x = 0; x < width; x++, target += 4, source += channels) {
        for (let c = 0; c < 3; c++) pixels[target + c] = (values[source + (channels === 3 ? c : 0)] + 1) * 127.5;
        pixels[target + 3] = 255;
      }
    }
  }
  return { ...whole, columns, count, pixels };
}
