/**
 * What the tiny presets' two departures from LDM are worth in a short training: PSNR on images that were not trained on,
 * after equally many steps, for the architecture of `tiny-kl-f4` with LDM's normalization or none, and PyTorch's start or
 * the linear one. Run it from the root: `pnpm tsx packages/autoencoder/scripts/compare-starts.ts [steps]`.
 */
import '@tensorflow/tfjs';
import { type AutoencoderKLConfig, autoencoderLoss, createAutoencoder, presets } from '@sd/autoencoder';
import { useBackend } from '@sd/backend';
import { foldIn, type RandomKey, randomKey, uniformArray } from '@sd/core';
import { valueAndGradients } from '@sd/nn';
import { AdamW, clipFactor, globalNorm, linearDecay, withWarmup } from '@sd/nn/optim';
import * as tf from '@tensorflow/tfjs-core';

const SIZE = 32;
const BATCH = 8;
const DISCS = 60;
const steps = Number(process.argv[2] ?? 150);

await useBackend('wasm');
console.log(`${steps} steps of ${BATCH} images of ${SIZE} px, AdamW, linear decay after 20 steps of warm-up`);
for (const [norm, init, rate] of [
  ['group', 'torch', 1e-3],
  ['group', 'torch', 4e-3],
  ['group', 'linear', 4e-3],
  ['none', 'torch', 4e-3],
  ['none', 'linear', 4e-3],
] as const) {
  const started = process.cpuUsage();
  const psnr = await trainedPsnr({ ...presets['tiny-kl-f4'], norm, init }, rate);
  const { user, system } = process.cpuUsage(started);
  const milliseconds = (user + system) / 1000 / steps;
  console.log(
    `norm ${norm}, init ${init}, rate ${rate}: ${psnr.toFixed(2)} dB, ${milliseconds.toFixed(0)} ms a step (CPU)`,
  );
}

async function trainedPsnr(config: AutoencoderKLConfig, rate: number): Promise<number> {
  const model = createAutoencoder(config).initialize(randomKey(1));
  const parameters = model.parameters();
  const optimizer = new AdamW(parameters, { betas: [0.9, 0.99], weightDecay: 0 });
  const schedule = withWarmup(linearDecay(rate, steps), 20);
  for (let step = 0; step < steps; step++) {
    const key = foldIn(randomKey(2), step);
    const x = discs(key, BATCH);
    const { value, gradients } = valueAndGradients(() => autoencoderLoss(model, x, { key }).total, parameters);
    const gradientScale = tf.tidy(() => clipFactor(globalNorm(gradients.values()), 1));
    optimizer.update(gradients, { learningRate: schedule(step), gradientScale });
    tf.dispose([x, value, gradientScale, ...gradients.values()]);
  }
  const test = discs(randomKey(3), 64);
  const error = tf.tidy(() => {
    if (model.kind !== 'kl') throw new Error('tiny-kl-f4 is a KL model');
    const y = tf.clipByValue(model.decode(model.encode(test).mean), -1, 1);
    return tf.mean(tf.square(tf.div(tf.sub(y, test), 2)), [1, 2, 3]); // [N], of values in [0, 1]
  });
  const errors = Array.from(await error.data());
  tf.dispose([test, error]);
  optimizer.dispose();
  model.dispose();
  return errors.reduce((sum, e) => sum - 10 * Math.log10(e), 0) / errors.length;
}

/** Discs of one color each on each other, with density r^-3 of their radius, in [-1, 1]. */
function discs(key: RandomKey, count: number): tf.Tensor4D {
  const data = new Float32Array(count * SIZE * SIZE * 3);
  for (let n = 0; n < count; n++) {
    const draws = uniformArray(foldIn(key, n), DISCS * 6);
    for (let d = 0; d < DISCS; d++) {
      const [u, cx, cy, ...color] = draws.subarray(d * 6, d * 6 + 6);
      const radius = d === 0 ? 2 * SIZE : (3 ** -2 + u * (SIZE ** -2 - 3 ** -2)) ** -0.5;
      const [x0, y0] = [cx * SIZE, cy * SIZE];
      for (let y = 0; y < SIZE; y++) {
        for (let x = 0; x < SIZE; x++) {
          if (d > 0 && (x - x0) ** 2 + (y - y0) ** 2 > radius ** 2) continue;
          for (let c = 0; c < 3; c++) data[((n * SIZE + y) * SIZE + x) * 3 + c] = 2 * color[c] - 1;
        }
      }
    }
  }
  return tf.tensor4d(data, [count, SIZE, SIZE, 3]);
}
