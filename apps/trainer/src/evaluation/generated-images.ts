import { join } from 'node:path';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { silentProgress } from '../console/progress';
import { encodePng } from '../data/image-file';
import { writeAtomically } from '../files/atomic-file';
import type { Pipeline } from '../sampling/pipeline';
import { type SampleOptions, sampleImages } from '../sampling/sample-images';
import { UserError } from '../user-error';
import { type ImageSet, quantized } from './image-set';

export type GeneratedOptions = Pick<SampleOptions, 'count' | 'steps' | 'eta' | 'key' | 'guidance' | 'signal'> & {
  readonly description: string;
  /** A folder that the images are written to, a PNG each. */
  readonly keep?: string | undefined;
};

/** The samples of a model as a set: drawn when they are asked for, a batch in memory at a time. */
export function generatedImages(pipeline: Pipeline, size: number, options: GeneratedOptions): ImageSet {
  const { description, keep, count, ...sampling } = options;
  return {
    description,
    length: count,
    size,
    async *batches(batchSize) {
      for (let from = 0; from < count; from += batchSize) {
        const images = await sampleImages(pipeline, {
          ...sampling,
          from,
          count: Math.min(batchSize, count - from),
          batchSize,
          openProgress: silentProgress,
        });
        const [, height, width] = images.shape;
        const bytes = quantized(images);
        images.dispose();
        try {
          if (height !== size || width !== size) {
            throw new UserError(`${description} are of ${height}x${width} pixels, the reference of ${size}x${size}`);
          }
          if (keep !== undefined) await writePngs(keep, bytes, from);
          yield bytes;
        } finally {
          bytes.dispose();
        }
      }
    },
  };
}

async function writePngs(folder: string, images: Tensor4D, from: number): Promise<void> {
  const [count, height, width] = images.shape;
  const levels = tf.tidy(() => tf.mul(tf.add(images, 1), 127.5));
  const pixels = Uint8Array.from(await levels.data<'float32'>(), Math.round);
  levels.dispose();
  const length = height * width * 3;
  for (let i = 0; i < count; i++) {
    const png = await encodePng(pixels.subarray(i * length, (i + 1) * length), width, height);
    await writeAtomically(join(folder, `${String(from + i).padStart(6, '0')}.png`), png);
  }
}
