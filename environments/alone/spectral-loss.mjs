import assert from 'node:assert/strict';
import { dft2d, wienerFilter } from '@sd/spectral-loss';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';

const { re } = dft2d(tf.ones([1, 4, 4, 1]));
assert.ok(Math.abs((await re.data())[0] - 4) < 1e-5); // orthonormal: 16 / sqrt(16)
assert.ok(Math.abs(wienerFilter([1], 0.25)[0] - 0.5) < 1e-12);
