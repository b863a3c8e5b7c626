import assert from 'node:assert/strict';
import { schedulerFromConfig } from '@sd/schedulers';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';

const scheduler = schedulerFromConfig({ _class_name: 'DDIMScheduler' });
const sample = await scheduler.sample((x) => tf.mul(x, 0.5), tf.ones([1, 2, 2, 1]), { steps: 2 });
assert.deepEqual(sample.shape, [1, 2, 2, 1]);
