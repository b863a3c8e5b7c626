import { defineConfig } from 'vitest/config';
import { offerSwiftshader } from './testing/swiftshader';
import { alias } from './vitest.shared';

offerSwiftshader();

/** Fuzzing, kill tests and other slow suites. */
export default defineConfig({
  resolve: { alias },
  test: {
    include: ['packages/*/src/**/*.slow.test.ts', 'apps/*/src/**/*.slow.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 900_000,
    hookTimeout: 900_000,
  },
});
