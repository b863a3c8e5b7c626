import { BackendError } from './backend-error';

/** Used by kernels where the adapter has them; tfjs itself asks for neither f16 nor subgroups. */
const features = [
  'shader-f16',
  'subgroups',
  'subgroup-size-control',
  'timestamp-query',
  'bgra8unorm-storage',
  'chromium-experimental-subgroup-matrix',
] as const;

/** Raised from WebGPU's defaults to what the adapter has. */
const limits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
] as const;

/** What tfjs's kernels and ours take for granted; WebGPU's core guarantees it, its compatibility mode does not. */
const needed = {
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
} as const;

/** Asks for the fast adapter. A software one counts as none, unless it is allowed. */
export async function requestAdapter(gpu: GPU, allowSoftware: boolean): Promise<GPUAdapter> {
  const adapter =
    (await gpu.requestAdapter({ powerPreference: 'high-performance' })) ??
    // Browsers hand out a software adapter only when asked for the fallback.
    (allowSoftware ? await gpu.requestAdapter({ forceFallbackAdapter: true }) : null);
  if (adapter === null) throw new BackendError('webgpu', 'no GPU adapter found');
  if (isSoftware(adapter.info) && !allowSoftware) {
    throw new BackendError('webgpu', `only a software adapter found (${describeAdapter(adapter.info)})`);
  }
  return adapter;
}

/**
 * A device with the features and limits above, as far as the adapter has them.
 * @throws BackendError which names a limit that is too low for the kernels.
 */
export async function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  for (const [limit, value] of Object.entries(needed)) {
    const has = adapter.limits[limit as keyof typeof needed];
    if (has < value) throw new BackendError('webgpu', `the adapter's ${limit} is ${has}, the kernels need ${value}`);
  }
  return adapter.requestDevice({
    requiredFeatures: features.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[],
    requiredLimits: Object.fromEntries(limits.map((limit) => [limit, adapter.limits[limit]])),
  });
}

export function isSoftware({ isFallbackAdapter, architecture, description }: GPUAdapterInfo): boolean {
  return isFallbackAdapter === true || /swiftshader|llvmpipe|lavapipe/i.test(`${architecture} ${description}`);
}

/** Vendor, architecture, device and driver, as far as the browser tells them. */
export function describeAdapter({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  const maker = [vendor, architecture].filter((word) => word !== '').join(' ');
  return [maker, device, description].filter((part) => part !== '').join(', ') || 'unnamed adapter';
}
