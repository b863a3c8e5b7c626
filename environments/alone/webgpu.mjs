import assert from 'node:assert/strict';
import { registerWebGPUKernels } from '@sd/webgpu';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu';

const stock = tf.getKernel('Conv2DBackpropFilter', 'webgpu');
await registerWebGPUKernels();
assert.ok(stock && tf.getKernel('GroupNorm', 'webgpu'));
assert.notEqual(tf.getKernel('Conv2DBackpropFilter', 'webgpu'), stock);
