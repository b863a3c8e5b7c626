import { defineConfig } from 'vitest/config';
import { offerSwiftshader } from './testing/swiftshader';
import { alias } from './vitest.shared';

offerSwiftshader();

/** Quick and slow suites alike, with time for the slowest backend: scripts/references-table.ts runs single tests. */
export default defineConfig({
  resolve: { alias },
  test: {
    include: ['packages/*/src/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 3_600_000,
    hookTimeout: 3_600_000,
  },
});
