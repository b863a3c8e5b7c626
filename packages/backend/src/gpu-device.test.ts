import { expect, test } from 'vitest';
import { BackendError } from './backend-error';
import { describeAdapter, requestAdapter, requestDevice } from './gpu-device';

const info = (known: Partial<GPUAdapterInfo>) =>
  ({ vendor: '', architecture: '', device: '', description: '', isFallbackAdapter: false, ...known }) as GPUAdapterInfo;

function gpuWith(adapter: Partial<GPUAdapter> | null, fallback: Partial<GPUAdapter> | null = null) {
  const asked: GPURequestAdapterOptions[] = [];
  const requestAdapter = async (options: GPURequestAdapterOptions = {}) => {
    asked.push(options);
    return options.forceFallbackAdapter ? fallback : adapter;
  };
  return { asked, gpu: { requestAdapter } as unknown as GPU };
}

test('the fast adapter is asked for', async () => {
  const adapter = { info: info({ vendor: 'nvidia', architecture: 'hopper' }) };
  const { gpu, asked } = gpuWith(adapter);
  expect(await requestAdapter(gpu, false)).toBe(adapter);
  expect(asked).toEqual([{ powerPreference: 'high-performance' }]);
});

test.each([
  info({ vendor: 'google', architecture: 'swiftshader' }),
  info({ vendor: 'mesa', description: 'llvmpipe (LLVM 15)' }),
  info({ vendor: 'microsoft', isFallbackAdapter: true }),
])('a software adapter is refused unless allowed ($vendor)', async (software) => {
  const { gpu } = gpuWith({ info: software });
  await expect(requestAdapter(gpu, false)).rejects.toThrow(
    new BackendError('webgpu', `only a software adapter found (${describeAdapter(software)})`),
  );
  expect((await requestAdapter(gpu, true)).info).toBe(software);
});

test('without an adapter the fallback is asked for only if software is allowed', async () => {
  const software = { info: info({ vendor: 'google', architecture: 'swiftshader' }) };
  const { gpu, asked } = gpuWith(null, software);
  await expect(requestAdapter(gpu, false)).rejects.toThrow('useBackend: webgpu cannot start: no GPU adapter found');
  expect(asked).toHaveLength(1);
  expect(await requestAdapter(gpu, true)).toBe(software);
});

const kernelLimits = {
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
};

test('a limit that is too low for the kernels is named', async () => {
  const limits = { ...kernelLimits, maxComputeInvocationsPerWorkgroup: 128 };
  const adapter = { features: new Set(), limits } as unknown as GPUAdapter;
  await expect(requestDevice(adapter)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[BackendError: useBackend: webgpu cannot start: the adapter's maxComputeInvocationsPerWorkgroup is 128, the kernels need 256]`,
  );
});

test('the device gets the features that the adapter has, and its limits', async () => {
  let descriptor: GPUDeviceDescriptor | undefined;
  const adapter = {
    features: new Set(['shader-f16', 'subgroups', 'depth-clip-control']),
    limits: { ...kernelLimits, maxBufferSize: 4e9, maxStorageBufferBindingSize: 2e9, maxTextureDimension1D: 1 },
    requestDevice: async (wanted?: GPUDeviceDescriptor) => {
      descriptor = wanted;
      return {};
    },
  } as unknown as GPUAdapter;
  await requestDevice(adapter);
  expect(descriptor?.requiredFeatures).toEqual(['shader-f16', 'subgroups']);
  expect(descriptor?.requiredLimits).toMatchObject({ maxBufferSize: 4e9, maxStorageBufferBindingSize: 2e9 });
  expect(descriptor?.requiredLimits).not.toHaveProperty('maxTextureDimension1D');
});

test('adapters are described by what is known of them', () => {
  expect(describeAdapter(info({ vendor: 'nvidia', architecture: 'hopper', device: 'NVIDIA H200' }))).toBe(
    'nvidia hopper, NVIDIA H200',
  );
  expect(describeAdapter(info({}))).toBe('unnamed adapter');
});
