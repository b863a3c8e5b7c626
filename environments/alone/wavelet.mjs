import assert from 'node:assert/strict';
import { dwt2d, idwt2d } from '@sd/wavelet';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';

const bands = dwt2d(tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1]));
const values = await Promise.all(['ll', 'lh', 'hl', 'hh'].map(async (band) => (await bands[band].data())[0]));
assert.deepEqual(values.map(Math.fround), [5, -2, -1, 0].map(Math.fround));
assert.deepEqual([...(await idwt2d(bands).data())], [1, 2, 3, 4]);
