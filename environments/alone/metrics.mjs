import assert from 'node:assert/strict';
import { featureRows, featureStatistics, frechetDistance, psnr } from '@sd/metrics';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';

const statistics = (...values) => featureStatistics(featureRows(Float64Array.from(values), 1));
// Means 1 and 4, deviations 1.414 and 2.828: 9 + 2
assert.ok(Math.abs(frechetDistance(statistics(0, 2), statistics(2, 6)) - 11) < 1e-9);
assert.ok(Math.abs((await psnr(tf.zeros([1, 2, 2, 3]), tf.ones([1, 2, 2, 3])))[0]) < 1e-9);
