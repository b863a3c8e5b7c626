import assert from 'node:assert/strict';
import { spectrumAwareDistillation } from '@sd/distill';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';

const distillation = spectrumAwareDistillation({ pairs: [{ name: 'output', teacherChannels: 3, studentChannels: 3 }] });
const [teacher, student, x0] = [tf.zeros([1, 4, 4, 3]), tf.ones([1, 4, 4, 3]), tf.ones([1, 8, 8, 3])];
const { spatial } = distillation.loss({ output: teacher }, { output: student }, x0);
assert.ok(Math.abs((await spatial.data())[0] - 1) < 1e-6);
