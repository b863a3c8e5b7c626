// Computes on WebGPU, gives it back, and has nothing left to do.
import * as tf from '@tensorflow/tfjs-core';
import { releaseBackend, useBackend } from '../index';

await useBackend('webgpu', { allowSoftware: true });
const sum = tf.add(tf.ones([2]), tf.ones([2]));
console.log(String(await sum.data()));
await releaseBackend();
console.log('end');
