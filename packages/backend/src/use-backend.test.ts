import '@sd/testing';
import { ArgumentError } from '@sd/core';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { BackendError } from './backend-error';
import type { BackendName } from './backend-info';
import { startCuda } from './cuda';
import { hasVulkanLoader } from './node/vulkan-loader';
import { onNode } from './runtime';
import { useBackend } from './use-backend';
import { startWasm } from './wasm';
import { startWebgpu } from './webgpu';

vi.mock('./webgpu', { spy: true });
vi.mock('./cuda', { spy: true });
vi.mock('./wasm', { spy: true });
vi.mock('./node/vulkan-loader', { spy: true });
vi.mock('./runtime', { spy: true });

afterEach(() => {
  vi.resetAllMocks();
});

const fails = (name: BackendName, reason: string) => () => Promise.reject(new BackendError(name, reason));
const starts = (name: BackendName, device: string) => async () => ({ name, device, canTrain: true });

describe('on this machine', () => {
  test('wasm starts by itself, finds its files and can train', async () => {
    expect(await useBackend('wasm')).toEqual({
      name: 'wasm',
      device: '1 thread, SIMD',
      canTrain: true,
      explanation: 'wasm (1 thread, SIMD): as asked',
    });
    expect(tf.getBackend()).toBe('wasm');
    expect(tf.getKernel('Conv2DBackpropFilter', 'wasm')).toBeDefined();
  });

  test('cpu starts when asked for, without the advice to install another', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    expect(await useBackend('cpu')).toEqual({
      name: 'cpu',
      device: 'plain JavaScript, 1 thread',
      canTrain: true,
      explanation: 'cpu (plain JavaScript, 1 thread): as asked',
    });
    expect(tf.getBackend()).toBe('cpu');
    tf.ones([2]).dispose();
    expect(warn).not.toHaveBeenCalled();
  });

  test('an unknown name is refused', async () => {
    const error: unknown = await useBackend('tpu' as BackendName).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ArgumentError);
    expect(String(error)).toBe(
      'ArgumentError: useBackend: name must be one of auto, webgpu, cuda, wasm, cpu, got "tpu"',
    );
  });
});

describe('auto on Node', () => {
  test('takes WebGPU first', async () => {
    vi.mocked(hasVulkanLoader).mockResolvedValue(true);
    vi.mocked(startWebgpu).mockImplementation(starts('webgpu', 'nvidia hopper'));
    const { name, explanation } = await useBackend('auto', { allowSoftware: true });
    expect(name).toBe('webgpu');
    expect(explanation).toBe('webgpu (nvidia hopper): the first choice');
    expect(startWebgpu).toHaveBeenCalledWith({ allowSoftware: true });
    expect(startCuda).not.toHaveBeenCalled();
  });

  test('then CUDA, without loading Dawn where there is no Vulkan', async () => {
    vi.mocked(hasVulkanLoader).mockResolvedValue(false);
    vi.mocked(startCuda).mockImplementation(starts('cuda', 'a GPU'));
    const { explanation } = await useBackend();
    expect(explanation).toBe('cuda (a GPU): passed over webgpu (no Vulkan loader (libvulkan.so.1))');
    expect(startWebgpu).not.toHaveBeenCalled();
  });

  test('then WASM, and says in one line why it passed over the others', async () => {
    vi.mocked(hasVulkanLoader).mockResolvedValue(true);
    vi.mocked(startWebgpu).mockImplementation(() => Promise.reject(new Error('a crash\n    at some place')));
    vi.mocked(startCuda).mockImplementation(fails('cuda', '@tensorflow/tfjs-node-gpu is not installed'));
    const { explanation } = await useBackend();
    expect(explanation).toBe(
      'wasm (1 thread, SIMD): passed over webgpu (a crash), cuda (@tensorflow/tfjs-node-gpu is not installed)',
    );
  });

  test('names every reason where none starts', async () => {
    vi.mocked(hasVulkanLoader).mockResolvedValue(true);
    vi.mocked(startWebgpu).mockImplementation(fails('webgpu', 'no GPU adapter found'));
    vi.mocked(startCuda).mockImplementation(fails('cuda', 'no'));
    vi.mocked(startWasm).mockImplementation(fails('wasm', 'not served'));
    await expect(useBackend()).rejects.toThrow(
      new BackendError('auto', 'passed over webgpu (no GPU adapter found), cuda (no), wasm (not served)'),
    );
  });
});

test('auto in a browser does not try CUDA', async () => {
  vi.mocked(onNode).mockReturnValue(false);
  vi.mocked(startWebgpu).mockImplementation(fails('webgpu', 'this browser has no WebGPU'));
  vi.mocked(startWasm).mockImplementation(starts('wasm', '4 threads, SIMD'));
  const { explanation } = await useBackend();
  expect(explanation).toBe('wasm (4 threads, SIMD): passed over webgpu (this browser has no WebGPU)');
  expect(startCuda).not.toHaveBeenCalled();
});

test('an unexpected error of a backend that was asked for becomes a BackendError with its cause', async () => {
  const cause = new Error('a crash');
  vi.mocked(startWebgpu).mockImplementation(() => Promise.reject(cause));
  const error: unknown = await useBackend('webgpu').catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    name: 'BackendError',
    backend: 'webgpu',
    reason: 'a crash',
    message: 'useBackend: webgpu cannot start: a crash',
    cause,
  });
});
