import { type Autoencoder, latentScaleFactor } from '@sd/autoencoder';
import { float16View, toFloat32, writeSafetensors } from '@sd/checkpoint';
import { ArgumentError } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { OpenProgress } from '../console/progress';
import { writeAtomically } from '../files/atomic-file';
import { readCheckpointFile } from '../training/checkpoint';
import { UserError } from '../user-error';
import type { ImageDataset } from './image-dataset';

const ENCODE_BATCH = 64;
const FORMAT = 'sd-latents-1';

/** Encoded images in memory: what the diffusion models are trained on. */
export class Latents {
  /**
   * @param values `[length, height, width, channels]`, already multiplied by the scale factor.
   * @param scaleFactor LDM's: divide a latent by it before it is decoded.
   */
  constructor(
    readonly values: Float32Array,
    readonly shape: readonly [number, number, number, number],
    readonly scaleFactor: number,
    /** What was encoded, by which first stage. */
    readonly description: string,
  ) {}

  get length(): number {
    return this.shape[0];
  }

  /** `[indices, height, width, channels]`. Owned by the caller. */
  batch(indices: ArrayLike<number>): Tensor4D {
    const [length, height, width, channels] = this.shape;
    const size = height * width * channels;
    const data = new Float32Array(indices.length * size);
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i];
      if (!(index >= 0 && index < length)) {
        throw new ArgumentError('Latents.batch', 'index', `an integer in [0, ${length})`, index);
      }
      data.set(this.values.subarray(index * size, (index + 1) * size), i * size);
    }
    return tf.tensor4d(data, [indices.length, height, width, channels]);
  }

  /** Writes float16 values, atomically. @throws {UserError} */
  async save(path: string): Promise<void> {
    const tensors = new Map([['latents', float16View(this.values, this.shape)]]);
    const metadata = { format: FORMAT, scaleFactor: String(this.scaleFactor), description: this.description };
    await writeAtomically(path, writeSafetensors(tensors, metadata));
  }

  /** @throws {UserError} when the file is missing, broken, or of another format. */
  static async load(path: string): Promise<Latents> {
    const { tensors, metadata } = await readCheckpointFile(path);
    const view = tensors.get('latents');
    const scaleFactor = Number(metadata.scaleFactor);
    const isWhole = view?.shape.length === 4 && view.shape.every((size) => size > 0);
    if (metadata.format !== FORMAT || !view || !isWhole || !(scaleFactor > 0 && scaleFactor < Infinity)) {
      throw new UserError(`${path}: not a file of latents; make one with \`sd encode\``);
    }
    const shape = view.shape as unknown as readonly [number, number, number, number];
    return new Latents(toFloat32(view), shape, scaleFactor, metadata.description ?? '');
  }
}

/**
 * Encodes a dataset: the posterior's mean of a KL first stage, the latent before quantization of a VQ one.
 * @param options.scaleFactor 1 / std of the first batch, as in LDM, unless it is given: a model that is already
 * trained must see latents of its own scale. @throws the signal's reason when it is aborted.
 */
export async function encodeDataset(
  autoencoder: Autoencoder,
  dataset: ImageDataset,
  openProgress: OpenProgress,
  options: { readonly scaleFactor?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<Latents> {
  const { signal } = options;
  const progress = openProgress('encode', dataset.length, 'image');
  let values: Float32Array | undefined;
  let shape: readonly [number, number, number, number] | undefined;
  let { scaleFactor } = options;
  try {
    for (let first = 0; first < dataset.length; first += ENCODE_BATCH) {
      signal?.throwIfAborted();
      const count = Math.min(ENCODE_BATCH, dataset.length - first);
      const images = await dataset.batch(Int32Array.from({ length: count }, (_, i) => first + i));
      const z = encodeMean(autoencoder, images);
      images.dispose();
      scaleFactor ??= await latentScaleFactor(z);
      const [, height, width, channels] = z.shape;
      const size = height * width * channels;
      shape ??= [dataset.length, height, width, channels];
      values ??= new Float32Array(dataset.length * size);
      const data = await z.data();
      z.dispose();
      for (let i = 0; i < data.length; i++) values[first * size + i] = data[i] * scaleFactor;
      progress.update(first + count);
      await new Promise(setImmediate);
    }
  } finally {
    progress.stop();
  }
  if (!values || !shape || scaleFactor === undefined) {
    throw new ArgumentError('encodeDataset', 'dataset', 'at least one image', dataset.length);
  }
  return new Latents(values, shape, scaleFactor, dataset.description);
}

/** The latent of images, without noise and unscaled. @param images borrowed. @returns owned by the caller. */
export function encodeMean(autoencoder: Autoencoder, images: Tensor4D): Tensor4D {
  return tf.tidy(() => {
    const encoded = autoencoder.kind === 'kl' ? autoencoder.encode(images).mode() : autoencoder.encode(images);
    return tf.clone(encoded);
  });
}

/** Images of scaled latents, in batches, clamped to [-1, 1]. @param latents borrowed. @returns owned by the caller. */
export function decodeLatents(autoencoder: Autoencoder, latents: Tensor4D, scaleFactor: number): Tensor4D {
  return tf.tidy(() => {
    const [count, height, width, channels] = latents.shape;
    const parts: Tensor4D[] = [];
    for (let first = 0; first < count; first += ENCODE_BATCH) {
      const size = Math.min(ENCODE_BATCH, count - first);
      const z = tf.slice(latents, [first, 0, 0, 0], [size, height, width, channels]);
      parts.push(tf.clipByValue(autoencoder.decode(tf.div(z, scaleFactor)), -1, 1));
    }
    return tf.concat(parts, 0);
  });
}
