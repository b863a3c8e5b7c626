// Speed of Inception's features on WebAssembly: `npx tsx packages/metrics/scripts/bench-inception.ts [batch] [runs]`. CPU
// seconds of the one thread that works, the least of several runs. The floor is the time of the multiply-accumulates alone
// at the speed of the fastest of the network's kinds of convolution, measured in the same run. The weights are random.
import '@tensorflow/tfjs';
import { useBackend } from '@sd/backend';
import { randomKey } from '@sd/core';
import * as tf from '@tensorflow/tfjs-core';
import { InceptionV3 } from '../src';

const [batch = 4, runs = 3] = process.argv.slice(2).map(Number);

/** Least CPU seconds of `run`. */
function least(run: () => tf.Tensor): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i <= runs; i++) {
    const before = process.cpuUsage();
    run().dispose();
    const { user, system } = process.cpuUsage(before);
    if (i > 0) best = Math.min(best, (user + system) / 1e6); // the first run compiles and packs
  }
  return best;
}

await useBackend('wasm');
const model = new InceptionV3().initialize(randomKey(1));
const images = tf.randomUniform<tf.Rank.R4>([batch, 299, 299, 3]);
const seconds = least(() => model.features(images)) / batch;
const macs = model.macs();

const shapes = [
  [147, 32, 64, 3, 3],
  [35, 96, 96, 3, 3],
  [17, 768, 192, 1, 1],
  [17, 192, 192, 1, 7],
] as const;
const speeds = shapes.map(([size, inChannels, outChannels, height, width]) => {
  const x = tf.randomNormal<tf.Rank.R4>([batch, size, size, inChannels]);
  const filter = tf.randomNormal<tf.Rank.R4>([height, width, inChannels, outChannels]);
  const time = least(() => tf.conv2d(x, filter, 1, 'same'));
  const speed = (2 * batch * size * size * filter.size) / time / 1e9;
  console.log(
    `convolution ${height}x${width}, ${inChannels} -> ${outChannels}, ${size} px: ${speed.toFixed(1)} GFLOP/s`,
  );
  return speed;
});
const floor = (2 * macs) / Math.max(...speeds) / 1e9;
const speed = (2 * macs) / seconds / 1e9;
console.log(`Inception v3, batch ${batch}: ${(macs / 1e9).toFixed(2)} GMAC an image`);
console.log(`${seconds.toFixed(2)} s an image, ${(1 / seconds).toFixed(2)} images/s, ${speed.toFixed(1)} GFLOP/s`);
console.log(
  `floor ${floor.toFixed(2)} s, ${(1 / floor).toFixed(2)} images/s: ${(seconds / floor).toFixed(2)} times that`,
);
