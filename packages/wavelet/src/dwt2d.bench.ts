// The general transform against Haar's own and against the floor: reading the image and writing the bands once, which
// is what `tf.add(x, 1)` does. Least CPU time of several runs, WebAssembly.
// `npx pnpm@10 exec tsx packages/wavelet/src/dwt2d.bench.ts`
import '@tensorflow/tfjs';
import { useBackend } from '@sd/backend';
import * as tf from '@tensorflow/tfjs-core';
import { dwt2d } from './dwt2d';
import type { WaveletName } from './wavelet-name';

const SHAPES: [number, number, number, number][] = [
  [8, 64, 64, 64],
  [8, 16, 16, 256],
  [1, 256, 256, 3],
  [1, 512, 512, 3],
];
const WAVELETS: WaveletName[] = ['haar', 'db2', 'db4', 'bior4.4', 'db10', 'coif17'];

function least(run: () => tf.TensorContainer): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 7; i++) {
    const before = process.cpuUsage();
    tf.dispose(run());
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1000);
  }
  return best;
}

await useBackend('wasm');
console.log('milliseconds: forward / with gradient');
for (const shape of SHAPES) {
  const x = tf.randomNormal<tf.Rank.R4>(shape);
  const cells = [`${shape.join('x')}: floor ${least(() => tf.add(x, 1)).toFixed(1)}`];
  for (const wavelet of WAVELETS) {
    const bands = (t: tf.Tensor) => {
      const { ll, lh, hl, hh } = dwt2d(t as tf.Tensor4D, { wavelet });
      return tf.addN([ll, lh, hl, hh]);
    };
    const forward = least(() => dwt2d(x, { wavelet }));
    cells.push(`${wavelet} ${forward.toFixed(1)} / ${least(() => tf.grad(bands)(x)).toFixed(1)}`);
  }
  console.log(cells.join('   '));
  x.dispose();
}
process.exit(0);
