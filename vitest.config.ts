import { defineConfig } from 'vitest/config';
import { offerSwiftshader } from './testing/swiftshader';
import { alias } from './vitest.shared';

// Before the workers start: they inherit the environment in which Dawn finds a Vulkan device.
offerSwiftshader();

export default defineConfig({
  resolve: { alias },
  test: {
    include: ['packages/*/src/**/*.test.{ts,tsx}', 'apps/*/src/**/*.test.{ts,tsx}', 'testing/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', '**/*.slow.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
