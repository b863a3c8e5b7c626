// Computes on two threads of WebAssembly, with `release` lets them go and starts again, and ends with them still there.
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { releaseBackend, useBackend } from '../index';

for (const round of process.argv.slice(2)) {
  console.log((await useBackend('wasm', { threads: 2 })).device);
  const a = tf.fill([256, 256], 2);
  console.log(String((await tf.matMul(a, a).data())[0]));
  if (round === 'release') await releaseBackend();
}
console.log('end');
