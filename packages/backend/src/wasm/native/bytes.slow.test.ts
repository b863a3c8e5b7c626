import { expect, test } from 'vitest';
import { compileKernels } from '../../../scripts/build-wasm';
import { kernelBytes } from './bytes';

test('the committed bytes are what the assembly sources compile to', async () => {
  const bytes = await compileKernels();
  expect(Buffer.from(bytes).toString('base64') === kernelBytes, 'run packages/backend/scripts/build-wasm.ts').toBe(
    true,
  );
});
