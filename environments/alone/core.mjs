import assert from 'node:assert/strict';
import { normal, normalArray, randomKey, ShapeError } from '@sd/core';
import '@tensorflow/tfjs-backend-cpu';

const drawn = await normal(randomKey(7), [3]).data();
assert.deepEqual([...drawn], [...Float32Array.from(normalArray(randomKey(7), 3))]);
assert.match(new ShapeError('op', 'x', '[N]', [1, 2]).message, /op: x must be \[N\], got \[1, 2\]/);
