import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, toFloat32 } from '@sd/checkpoint';
import { describeBackends } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { nhwc } from '../golden-values';
import { publishedTaef2 } from './published-taef2';

/** A folder with the authors' weights and taef2_reference.safetensors, what their code computed with them. */
const folder = process.env.SD_TAEF2 ?? '';
const there = folder !== '' && existsSync(join(folder, 'taef2_reference.safetensors'));
if (!there) console.warn('skipped: SD_TAEF2 names no folder with taef2_reference.safetensors');
/** A folder with kodim03.png and kodim19.png of at least 496x496. */
const photographs = process.env.SD_KODAK ?? '';
const withPhotographs = there && photographs !== '' && existsSync(join(photographs, 'kodim03.png'));
if (!withPhotographs) console.warn('skipped: SD_KODAK names no folder with kodim03.png');

const readReference = () => readSafetensors(new Uint8Array(readFileSync(join(folder, 'taef2_reference.safetensors'))));
const unit = (bytes: ArrayLike<number>, size: number) =>
  tf.tensor4d(
    Float32Array.from(bytes, (value) => value / 255),
    [1, size, size, 3],
  );

describe.skipIf(!there)('with the authors’ weights', () => {
  describeBackends(['cpu', 'wasm', 'webgpu'], () => {
    test.each(['kodim03', 'kodim19'])(
      'latents and reconstructions of %s are those of the reference',
      async (picture) => {
        const model = publishedTaef2(folder);
        const { tensors } = readReference();
        const x = unit(toFloat32(tensors.get(`${picture}/rgb_u8_hwc_100_164`)!), 64);
        const z = model.encode(x);
        await expect(z).toBeAllclose(nhwc(tensors, `${picture}/latent`), 1e-4);
        await expect(model.decode(z)).toBeAllclose(nhwc(tensors, `${picture}/decoded`), 1e-4);
        model.dispose();
      },
    );
  });
});

describe.skipIf(!withPhotographs)('with the authors’ weights', () => {
  const SIZE = 496;
  describeBackends(['wasm'], () => {
    test('PSNR of photographs is that of the reference within 0.02 dB', async () => {
      const model = publishedTaef2(folder);
      const references = JSON.parse(readReference().metadata.psnr_496_crop) as [number, number][];
      expect(references).toHaveLength(2);
      for (const [number, psnr] of references) {
        const file = join(photographs, `kodim${String(number).padStart(2, '0')}.png`);
        const crop = { left: 0, top: 0, width: SIZE, height: SIZE };
        const x = unit(await sharp(file).removeAlpha().toColorspace('srgb').extract(crop).raw().toBuffer(), SIZE);
        const error = tf.tidy(() => {
          const y = tf.clipByValue(model.decode(model.encode(x)), 0, 1);
          return tf.mean(tf.square(tf.sub(y, x)));
        });
        const ours = -10 * Math.log10((await error.data())[0]);
        expect([ours]).toBeAllclose([psnr], 0.02 / psnr);
        tf.dispose([x, error]);
      }
      model.dispose();
    });
  });
});
