import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test, vi } from 'vitest';
import { BackendError, DeviceLostError, GpuMemoryError, releaseBackend, useBackend } from './index';

const allowSoftware = true;
/** WebGPU's own, whatever a test puts in its place. */
const popErrorScope = (device: GPUDevice) => GPUDevice.prototype.popErrorScope.call(device);

/** A strided, padded convolution, its two gradients, and a softmax: values enough to tell the backends apart. */
async function program(): Promise<Record<string, Float32Array>> {
  const results = tf.tidy(() => {
    const x = tf.randomNormal([2, 6, 6, 3], 0, 1, 'float32', 1) as tf.Tensor4D;
    const filter = tf.randomNormal([3, 3, 3, 5], 0, 1, 'float32', 2) as tf.Tensor4D;
    const f = (a: tf.Tensor, b: tf.Tensor) =>
      tf.softmax(tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, 2, 1, 'NHWC', 1, 'floor'));
    const [dx, dFilter] = tf.grads((a, b) => tf.sum(tf.square(f(a!, b!))))([x, filter]);
    return { y: f(x, filter), dx: dx!, dFilter: dFilter! };
  });
  const entries = Object.entries(results).map(
    async ([name, tensor]) => [name, await tensor.data<'float32'>()] as const,
  );
  const values = Object.fromEntries(await Promise.all(entries));
  tf.dispose(results);
  return values;
}

describeBackends(['webgpu'], () => {
  test('a convolution and its gradients agree with the cpu backend', async () => {
    await useBackend('cpu');
    const expected = await program();
    await useBackend('webgpu', { allowSoftware });
    const actual = await expectTensors(0, program);
    for (const name of ['y', 'dx', 'dFilter']) expect(actual[name]).toBeAllclose(expected[name]!);
  });

  test('gradients agree with finite differences', async () => {
    const x = tf.tensor4d([0.1, -0.4, 0.3, 0.8, -0.2, 0.5, 0.9, -0.7], [1, 2, 2, 2]);
    const filter = tf.tensor4d([0.3, -0.6, 0.2, 0.4], [1, 1, 2, 2]);
    await expectGradient((a, b) => tf.tanh(tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, 'same')), [x, filter]);
    tf.dispose([x, filter]);
  });

  test('the device has the features that the adapter offers and tfjs does not ask for', () => {
    const { device } = tf.backend() as tf.KernelBackend & { device: GPUDevice };
    expect(device.features.has('subgroups')).toBe(true);
    expect(device.features.has('timestamp-query')).toBe(true);
    expect(device.limits.maxStorageBufferBindingSize).toBeGreaterThan(128 * 2 ** 20);
  });

  test('a tensor without memory is an error that names it, and the process goes on', async () => {
    const { device } = tf.backend() as tf.KernelBackend & { device: GPUDevice };
    const before = tf.tensor1d([1, 2]);
    vi.spyOn(device, 'popErrorScope').mockImplementationOnce(async () => {
      await popErrorScope(device);
      return { message: 'out of memory' };
    });
    const large = tf.fill([1024, 1025], 1);
    await expect(large.data()).rejects.toThrow(GpuMemoryError);
    vi.restoreAllMocks();
    large.dispose();
    const again = tf.fill([1024, 1025], 1);
    expect((await again.data())[0]).toBe(1); // not the buffer without memory
    expect(await before.data()).toEqual(Float32Array.of(1, 2));
    tf.dispose([before, again]);
  });

  test('a tensor larger than any buffer names the limit', () => {
    const { device } = tf.backend() as tf.KernelBackend & { device: GPUDevice };
    const values = device.limits.maxStorageBufferBindingSize / 4 + 2 ** 20;
    const pattern = new RegExp(
      `^webgpu: no memory for a tensor \\[${values}\\] of float32, \\d+ MiB: the device's max\\w+ is \\d+ MiB$`,
    );
    expect(() => tf.tidy(() => tf.fill([values], 1))).toThrow(pattern);
  });

  test('calling it again keeps the device and its tensors', async () => {
    const x = tf.tensor1d([1, 2]);
    await useBackend('cpu');
    const { lost, ...info } = await useBackend('webgpu', { allowSoftware });
    expect(info).toEqual({
      name: 'webgpu',
      device: info.device,
      canTrain: true,
      explanation: `webgpu (${info.device}): as asked`,
    });
    expect(lost).toBeInstanceOf(Promise);
    const doubled = tf.mul(x, 2);
    expect(await doubled.data()).toEqual(Float32Array.of(2, 4));
    tf.dispose([x, doubled]);
  });

  test('releasing it tells why the device is lost, and it can be started again', async () => {
    const { lost } = await useBackend('webgpu', { allowSoftware });
    await releaseBackend();
    expect(await lost).toMatch(/^destroyed: /);
    expect(globalThis.navigator?.gpu).toBeUndefined();
    await useBackend('webgpu', { allowSoftware });
    const four = tf.add(tf.scalar(1), tf.scalar(3));
    expect(await four.data()).toEqual(Float32Array.of(4));
    tf.disposeVariables();
  });

  test('a device that was lost is replaced by the next call', async () => {
    const { lost } = await useBackend('webgpu', { allowSoftware });
    const { device } = tf.backend() as tf.KernelBackend & { device: GPUDevice };
    const gone = tf.add(tf.scalar(1), 1);
    device.destroy();
    await lost;
    await expect(gone.data()).rejects.toThrow(DeviceLostError);
    await expect(gone.data()).rejects.toThrow(/^webgpu: the device is lost \(destroyed\): /);
    await useBackend('webgpu', { allowSoftware });
    const three = tf.add(tf.scalar(1), tf.scalar(2));
    expect(await three.data()).toEqual(Float32Array.of(3));
  });
});

describe.runIf(process.env.VK_ICD_FILENAMES?.includes('swiftshader'))('on SwiftShader', () => {
  test('webgpu starts only if software is allowed', async () => {
    await expect(useBackend('webgpu')).rejects.toThrow(BackendError);
    await expect(useBackend('webgpu')).rejects.toThrow(
      /^useBackend: webgpu cannot start: only a software adapter found \(google swiftshader, /,
    );
    expect(globalThis.navigator?.gpu).toBeUndefined();
  });

  test('auto passes over it', async () => {
    const { name, explanation } = await useBackend();
    expect(name).toBe('wasm');
    expect(explanation).toMatch(
      /^wasm \(1 thread, SIMD\): passed over webgpu \(only a software adapter found \(.*\)\), cuda \(.*\)$/,
    );
  });
});
