import assert from 'node:assert/strict';
import { float16View, readSafetensors, toFloat32, writeSafetensors } from '@sd/checkpoint';

const bytes = writeSafetensors(new Map([['a.weight', float16View(Float32Array.of(0.5, -2), [1, 2])]]), { step: '3' });
const { tensors, metadata } = readSafetensors(bytes);
assert.deepEqual([...toFloat32(tensors.get('a.weight'))], [0.5, -2]);
assert.equal(metadata.step, '3');
