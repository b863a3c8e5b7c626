import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describeBackends } from '@sd/testing';
import { expect, test } from 'vitest';

/** What a program prints. Rejects where it is killed at the end of the time, or ends with another code than 0. */
async function outputOf(name: string, ...args: string[]): Promise<string> {
  const program = fileURLToPath(new URL(name, import.meta.url));
  const options = { timeout: 60_000, killSignal: 'SIGKILL' } as const;
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program, ...args], options);
  return stdout;
}

describeBackends(['webgpu'], () => {
  test('a program that has released WebGPU ends by itself', async () => {
    expect(await outputOf('program.ts')).toBe('2,2\nend\n');
  });
});

test.runIf(availableParallelism() > 1)('a program with threads ends by itself, released or not', async () => {
  const round = '2 threads, SIMD\n1024\n';
  expect(await outputOf('threads-program.ts', 'release', 'keep')).toBe(`${round}${round}end\n`);
});
