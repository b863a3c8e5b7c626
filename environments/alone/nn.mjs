import assert from 'node:assert/strict';
import { Linear } from '@sd/nn';
import { linearDecay } from '@sd/nn/optim';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';

const linear = new Linear({ inFeatures: 2, outFeatures: 3 });
assert.deepEqual(linear.forward(tf.ones([4, 2])).shape, [4, 3]);
assert.deepEqual([...(await linear.stateDict()).keys()], ['weight', 'bias']);
assert.equal(typeof linearDecay, 'function');
