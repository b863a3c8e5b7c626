/**
 * TAEF2's published weights on photographs: PSNR of the reconstructions of the top left 496x496 pixels, clamped to [0, 1],
 * over pixels and colors; and, where the folder has taef2_reference.safetensors, the largest differences from PyTorch's
 * latents and images, relative to their largest value.
 *
 * From the root: `SD_WEIGHTS=<folder of taef2_encoder.pth and taef2_decoder.pth> pnpm tsx
 * packages/autoencoder/scripts/taef2.ts picture.raw ...`, each picture H x W x 3 bytes of 500x500 RGB.
 */
import '@tensorflow/tfjs';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { useBackend } from '@sd/backend';
import { readSafetensors, type StateDict, toFloat32 } from '@sd/checkpoint';
import * as tf from '@tensorflow/tfjs-core';
import { publishedTaef2 } from '../src/tiny/published-taef2';

const [WIDTH, CROP] = [500, 496];
const folder = process.env.SD_WEIGHTS;
if (!folder) {
  console.log('skipped: SD_WEIGHTS names no folder');
  process.exit(0);
}

await useBackend('wasm');
const model = publishedTaef2(folder);
console.log(`names of ${model.encoder.loadedLayout?.project}, ${model.parameterCount} parameters`);

if (existsSync(join(folder, 'taef2_reference.safetensors'))) {
  const { tensors, metadata } = readSafetensors(
    new Uint8Array(readFileSync(join(folder, 'taef2_reference.safetensors'))),
  );
  console.log(`reference: PSNR ${metadata.psnr_496_crop}`);
  for (const picture of new Set([...tensors.keys()].map((name) => name.split('/')[0]))) {
    const pixels = toFloat32(tensors.get(`${picture}/rgb_u8_hwc_100_164`)!);
    const x = tf.tensor4d(
      pixels.map((value) => value / 255),
      [1, 64, 64, 3],
    );
    const z = model.encode(x);
    const y = model.decode(z);
    const latent = await difference(z, tensors, `${picture}/latent`);
    const image = await difference(y, tensors, `${picture}/decoded`);
    console.log(`${picture}: latent ${latent.toExponential(1)}, image ${image.toExponential(1)}`);
    tf.dispose([x, z, y]);
  }
}

for (const file of process.argv.slice(2)) {
  const whole = Float32Array.from(readFileSync(file), (value) => value / 255);
  const x = tf.tidy(() => tf.slice(tf.tensor4d(whole, [1, WIDTH, WIDTH, 3]), [0, 0, 0, 0], [1, CROP, CROP, 3]));
  const started = performance.now();
  const z = model.encode(x);
  const y = model.decode(z);
  const error = tf.tidy(() => tf.mean(tf.square(tf.sub(tf.clipByValue(y, 0, 1), x))));
  const psnr = -10 * Math.log10((await error.data())[0]);
  const seconds = (performance.now() - started) / 1000;
  console.log(`${basename(file)}: ${psnr.toFixed(3)} dB, ${seconds.toFixed(1)} s`);
  tf.dispose([x, z, y, error]);
}

async function difference(ours: tf.Tensor4D, state: StateDict, name: string): Promise<number> {
  const theirs = state.get(name)!;
  const expected = tf.tidy(() => tf.transpose(tf.tensor(toFloat32(theirs), [...theirs.shape]), [0, 2, 3, 1]));
  const ratio = tf.tidy(() => tf.div(tf.max(tf.abs(tf.sub(ours, expected))), tf.max(tf.abs(expected))));
  const [value] = await ratio.data();
  tf.dispose([expected, ratio]);
  return value;
}
