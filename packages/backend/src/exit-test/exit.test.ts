import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describeBackends } from '@sd/testing';
import { expect, test } from 'vitest';

describeBackends(['webgpu'], () => {
  test('a program that has released WebGPU ends by itself', async () => {
    const program = fileURLToPath(new URL('program.ts', import.meta.url));
    const options = { timeout: 60_000, killSignal: 'SIGKILL' } as const;
    // Rejects where the program is killed at the end of the time, or ends with another code than 0.
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program], options);
    expect(stdout).toBe('2,2\nend\n');
  });
});
