import assert from 'node:assert/strict';
import { createAutoencoder, presets } from '@sd/autoencoder';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';

const model = createAutoencoder(presets['tiny-kl-f4']);
const posterior = model.encode(tf.zeros([1, 8, 8, 3]));
assert.deepEqual(model.decode(posterior.mean).shape, [1, 8, 8, 3]);
