import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { describeBackends, expectGradient, expectTensors, kernelsUsedBy } from './index';

describeBackends(['cpu', 'wasm'], (name) => {
  test('the suite runs on its backend', () => expect(tf.getBackend()).toBe(name));

  test('expectTensors counts what a call leaves, and gives its result', async () => {
    const y = await expectTensors(1, () => tf.tidy(() => tf.add(tf.scalar(1), tf.scalar(2))));
    await expect(y).toBeAllclose([3]);
    await expect(expectTensors(0, async () => tf.clone(y))).rejects.toThrow('expected 1 to be +0');
    tf.disposeVariables();
  });

  test('toBeAllclose compares tensors with nested arrays', async () => {
    const x = tf.tensor2d([
      [1, 2],
      [3, 4],
    ]);
    await expect(x).toBeAllclose([
      [1, 2],
      [3, 4.00003],
    ]);
    await expect(expect(x).toBeAllclose([1, 2, 3, 4.0001])).rejects.toThrow(
      'worst at [1,1]: 4, expected 4.0001; relative difference 2.50e-5 of max|expected| = 4.0001, allowed 0.00001',
    );
    await expect(expect(x).toBeAllclose([[1, 2, 3, 4]])).rejects.toThrow('shape [2,2], expected [1,4]');
    await expect(x).not.toBeAllclose([1, 2, 3, 5]);
  });

  test('expectGradient accepts right gradients and refuses wrong ones', async () => {
    const x = tf.randomNormal([2, 3, 5, 2], 0, 1, 'float32', 1);
    const w = tf.randomNormal([2, 4], 0, 1, 'float32', 2);
    const f = (a: tf.Tensor, b: tf.Tensor) => tf.sigmoid(tf.matMul(tf.reshape(a, [30, 2]), b as tf.Tensor2D));
    await expectTensors(0, () => expectGradient(f as (...inputs: tf.Tensor[]) => tf.Tensor, [x, w]));
    const wrong = tf.customGrad((a: tf.Tensor | tf.GradSaveFunc) => ({
      value: tf.square(a as tf.Tensor),
      gradFunc: (dy: tf.Tensor) => tf.mul(dy, tf.mul(a as tf.Tensor, 2.02)),
    }));
    await expect(expectGradient((a) => wrong(a!), x)).rejects.toThrow(/gradient of input 0 along random direction 0/);
    await expect(expectGradient((a) => wrong(a!), w)).rejects.toThrow(/gradient of input 0 along element/);
  });
});

describe('toBeAllclose on arrays', () => {
  test('is relative to the largest expected value', () => {
    expect([1000, 0.005]).toBeAllclose(Float32Array.of(1000, 0));
    expect([1000, 0.02]).not.toBeAllclose([1000, 0]);
    expect([1000, 0.02]).toBeAllclose([1000, 0], 1e-4);
    expect([1000, 0.02]).toBeAllclose([1000, 0], { relative: 0, absolute: 0.02 });
    expect([0.009]).toBeAllclose([0], { scale: 1000 });
    expect([0.011]).not.toBeAllclose([0], { scale: 1000 });
  });
  test('fails on NaN, other sizes and ragged rows; infinities equal themselves', () => {
    expect([Number.NaN, 1]).not.toBeAllclose([1, 1], 10);
    expect([1, 1]).not.toBeAllclose([Number.NaN, 1], 10);
    expect([1, 1]).not.toBeAllclose([1, 1, 1]);
    expect([0]).not.toBeAllclose([1e-30, 0]);
    expect(() => expect([1, 2, 3]).toBeAllclose([[1, 2], [3]])).toThrow('ragged: rows of shapes 2 and 1');
    expect([Number.POSITIVE_INFINITY, 1]).toBeAllclose([Number.POSITIVE_INFINITY, 1]);
  });
});

describe('SD_MEASURED', () => {
  const folder = mkdtempSync(join(tmpdir(), 'measured-'));
  const file = join(folder, 'errors.jsonl');
  afterEach(() => vi.unstubAllEnvs());
  afterAll(() => rmSync(folder, { recursive: true }));

  test('gets a line for each comparison with a relative error, failed ones too, but none for a difference', async () => {
    await tf.setBackend('cpu');
    vi.stubEnv('SD_MEASURED', file);
    await expect(tf.tensor1d([1, 4])).toBeAllclose([1, 2], 1);
    expect([0.5]).toBeAllclose([0], { relative: 1e-2, absolute: 1, of: 'gradient' }); // allowed: 1e-2 of 100
    expect(() => expect([3]).toBeAllclose([2])).toThrow('worst at [0]');
    expect(() => expect([Number.NaN]).toBeAllclose([2])).toThrow('worst at [0]');
    expect([3]).not.toBeAllclose([2]);
    expect([3]).toBeAllclose([2], { relative: 0, absolute: 1 });
    expect([3]).toBeAllclose([3]);
    vi.unstubAllEnvs();
    expect([3]).toBeAllclose([2], 1);
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { backend: 'cpu', of: 'value', error: 1 },
      { backend: 'cpu', of: 'gradient', error: 0.005 },
      { backend: 'cpu', of: 'value', error: 0.5 },
      { backend: 'cpu', of: 'value', error: null },
      { backend: 'cpu', of: 'value', error: 0 },
    ]);
  });
});

describe('SD_BACKENDS', () => {
  vi.stubEnv('SD_BACKENDS', 'wasm');
  const ran: string[] = [];
  describeBackends(['cpu', 'webgpu'], (name) => {
    test('replaces the list of a suite', () => {
      ran.push(name);
      expect(tf.getBackend()).toBe('wasm');
    });
  });
  vi.unstubAllEnvs();
  test('once', () => expect(ran).toEqual(['wasm']));
});

describeBackends(['webgpu'], () => {
  test.fails('a test in which WebGPU finds an invalid shader fails', () => {
    const { device } = tf.backend() as tf.KernelBackend & { device: GPUDevice };
    device.createShaderModule({ code: 'not WGSL' });
  });
  test('and the next one does not', async () => {
    const x = tf.tensor1d([1, 2]);
    await expect(tf.add(x, 1)).toBeAllclose([2, 3]);
  });
});

test('kernelsUsedBy sees forward and backward kernels, and leaves the backend as it was', async () => {
  await tf.setBackend('wasm');
  const kernels = await kernelsUsedBy(() => tf.grad((x: tf.Tensor) => tf.sum(tf.square(x)))(tf.ones([2])));
  expect(kernels).toEqual(['Cast', 'Identity', 'Multiply', 'Reshape', 'Square', 'Sum']);
  expect(tf.getBackend()).toBe('wasm');
});
