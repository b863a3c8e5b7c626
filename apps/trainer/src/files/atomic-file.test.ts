import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { UserError } from '../user-error';
import { checkWritable, describeFileError, writeAtomically } from './atomic-file';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-atomic-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function complaintOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => Promise.reject(new Error('expected a complaint')),
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return error.message.replaceAll(folder, 'FOLDER');
}

test('a file is written with the folders above it, and replaced whole', async () => {
  const path = join(folder, 'a', 'b', 'file.bin');
  const view = new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4);
  await writeAtomically(path, view);
  expect([...(await readFile(path))]).toEqual([1, 2, 3]);
  await writeAtomically(path, 'text');
  expect(await readFile(path, 'utf8')).toBe('text');
  expect(await readdir(join(folder, 'a', 'b'))).toEqual(['file.bin']);
});

test('a path that leads through a file, or to a folder, is an error that says so', async () => {
  await writeFile(join(folder, 'file'), 'precious');
  expect(await complaintOf(writeAtomically(join(folder, 'file', 'x'), 'y'))).toMatchInlineSnapshot(
    `"cannot write FOLDER/file/x: a part of its path is a file, not a folder"`,
  );
  expect(await readFile(join(folder, 'file'), 'utf8')).toBe('precious');
  await mkdir(join(folder, 'dir'));
  expect(await complaintOf(writeAtomically(join(folder, 'dir'), 'y'))).toMatchInlineSnapshot(
    `"cannot write FOLDER/dir: it is a folder"`,
  );
  expect(await readdir(folder)).toEqual(['dir', 'file']); // no temporary file is left
});

const root = process.getuid?.() === 0;
test.skipIf(root)(
  `a folder without permission is an error that says so${root ? ' (skipped: root may write anywhere)' : ''}`,
  async () => {
    await chmod(folder, 0o500);
    expect(await complaintOf(writeAtomically(join(folder, 'x'), 'y'))).toBe(
      'cannot write FOLDER/x: no permission to write there',
    );
    await chmod(folder, 0o700);
  },
);

// RLIMIT_FSIZE stands in for a full disk: the write stops half-way, with EFBIG for ENOSPC.
const windows = process.platform === 'win32';
test.skipIf(windows)(
  `a disk that fills up half-way leaves the old file${windows ? ' (skipped: no ulimit)' : ''}`,
  async () => {
    const path = join(folder, 'weights');
    await writeFile(path, 'the old weights');
    const module = fileURLToPath(new URL('./atomic-file.ts', import.meta.url));
    const script = join(folder, 'write.ts');
    await writeFile(
      script,
      `import { writeAtomically } from ${JSON.stringify(module)};
     writeAtomically(${JSON.stringify(path)}, new Uint8Array(1_000_000)).catch((error) => console.log(error.message));`,
    );
    const tsx = fileURLToPath(new URL('../../../../node_modules/tsx/dist/cli.mjs', import.meta.url));
    const tsconfig = fileURLToPath(new URL('../../../../tsconfig.json', import.meta.url));
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      'ulimit -f 200 && exec "$0" "$@"',
      process.execPath,
      tsx,
      '--tsconfig',
      tsconfig,
      '--no-cache',
      script,
    ]);
    expect(stdout.trim()).toBe(
      `cannot write ${path}: it is larger than the system allows; what was there before is intact`,
    );
    expect(await readFile(path, 'utf8')).toBe('the old weights');
    expect((await readdir(folder)).sort()).toEqual(['weights', 'write.ts']);
  },
);

test('what stops a write is said in words', () => {
  const of = (code: string) => describeFileError(Object.assign(new Error(`${code}: raw`), { code }));
  expect(of('ENOSPC')).toBe('the disk is full; what was there before is intact');
  expect(of('EDQUOT')).toBe(of('ENOSPC'));
  expect(of('EROFS')).toBe('no permission to write there');
  expect(of('EIO')).toBe('EIO: raw');
});

test('a folder is checked for room before any work, and nothing stays in it', async () => {
  const out = join(folder, 'out');
  await checkWritable(out, 1000);
  expect(await readdir(out)).toEqual([]);
  expect(await complaintOf(checkWritable(out, 1e18))).toMatch(
    /^cannot write to FOLDER\/out: 1000000000000\.0 MB needed, [\d.]+ MB free on its disk$/,
  );
});
