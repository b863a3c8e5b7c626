import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { hasVulkanLoader } from './vulkan-loader';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

test('a loader on LD_LIBRARY_PATH is found', async () => {
  vi.spyOn(process, 'platform', 'get').mockReturnValue('linux');
  const folder = mkdtempSync(join(tmpdir(), 'sd-vulkan-'));
  writeFileSync(join(folder, 'libvulkan.so.1'), '');
  vi.stubEnv('LD_LIBRARY_PATH', `/nowhere:${folder}`);
  expect(await hasVulkanLoader()).toBe(true);
  rmSync(folder, { recursive: true });
});

test('macOS and Windows need none', async () => {
  vi.stubEnv('LD_LIBRARY_PATH', '');
  vi.spyOn(process, 'platform', 'get').mockReturnValue('darwin');
  expect(await hasVulkanLoader()).toBe(true);
});
