import { expect, test } from 'vitest';
import { sourcesHash as hashNow } from '../../../scripts/build-wasm';
import { kernelBytes, sourcesHash } from './bytes';
import { compile, instantiate } from './library';

test('the committed bytes were compiled from the assembly sources as they are, and are small', () => {
  expect(sourcesHash, 'run packages/backend/scripts/build-wasm.ts').toBe(hashNow());
  expect((kernelBytes.length * 3) / 4).toBeLessThan(40_000);
});

test('the kernels run on the shared memory of a threaded build as on a plain one', () => {
  const product = (shared: boolean) => {
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared });
    const { gemm } = instantiate(compile(shared), memory);
    const floats = new Float32Array(memory.buffer);
    const [m, n, k] = [5, 9, 7];
    for (let i = 0; i < m * k; i++) floats[i] = Math.sin(i);
    for (let i = 0; i < k * n; i++) floats[100 + i] = Math.cos(i);
    gemm(1, m, n, k, 0, 0, 4 * k, 4, 400, 0, 4 * n, 4, 2000, 0, 4 * n, 4, 0, 65536);
    return Array.from(floats.slice(500, 500 + m * n));
  };
  const expected = Array.from({ length: 45 }, (_, at) => {
    const [i, j] = [Math.floor(at / 9), at % 9];
    return [0, 1, 2, 3, 4, 5, 6].reduce((sum, p) => sum + Math.sin(i * 7 + p) * Math.cos(p * 9 + j), 0);
  });
  const plain = product(false);
  expect(product(true)).toEqual(plain);
  for (const [i, value] of plain.entries()) expect(value).toBeCloseTo(expected[i] as number, 5);
});
