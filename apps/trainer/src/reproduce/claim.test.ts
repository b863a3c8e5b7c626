import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Claim } from './claim';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-claim-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** What a process leaves that holds a claim. */
async function claimOf(name: string, holder: { host: string; pid: number }): Promise<string> {
  const file = join(folder, `${name}.0123456789ab.claim`);
  await writeFile(file, JSON.stringify(holder));
  return file;
}

/** No process has it: larger than Linux ever gives. */
const NOBODY = 2 ** 30;

test('a claim is held by one at a time, and each path has its own', async () => {
  const path = join(folder, 'deep', 'a.json');
  const first = await Claim.take(path);
  expect(first).toBeDefined();
  expect(await Claim.take(path)).toBeUndefined();
  const other = await Claim.take(join(folder, 'deep', 'a')); // the start of the other's name
  expect(other).toBeDefined();
  await first?.release();
  const again = await Claim.take(path);
  expect(again).toBeDefined();
  await Promise.all([again?.release(), other?.release()]);
  expect(await readdir(join(folder, 'deep'))).toEqual([]);
});

test('of many that come at the same time one has it at most', async () => {
  for (let round = 0; round < 20; round++) {
    const taken = await Promise.all(Array.from({ length: 8 }, () => Claim.take(join(folder, 'a'))));
    const held = taken.filter((claim) => claim !== undefined);
    expect(held.length).toBeLessThan(2);
    for (const claim of held) await claim.release();
  }
  expect(await readdir(folder)).toEqual([]);
});

test('a live process of this machine keeps its claim, a dead one does not', async () => {
  const file = await claimOf('a', { host: hostname(), pid: process.pid });
  expect(await Claim.take(join(folder, 'a'))).toBeUndefined();
  await writeFile(file, JSON.stringify({ host: hostname(), pid: NOBODY }));
  const claim = await Claim.take(join(folder, 'a'));
  expect(claim).toBeDefined();
  await claim?.release();
  expect(await readdir(folder)).toEqual([]);
});

test('one of another machine stands until it has not been renewed for long', async () => {
  const file = await claimOf('a', { host: 'elsewhere', pid: NOBODY });
  expect(await Claim.take(join(folder, 'a'))).toBeUndefined();
  const long = new Date(Date.now() - 121_000);
  await utimes(file, long, long);
  const claim = await Claim.take(join(folder, 'a'));
  expect(claim).toBeDefined();
  await claim?.release();
});

test('one that is being written stands', async () => {
  await writeFile(join(folder, 'a.0123456789ab.claim'), '');
  expect(await Claim.take(join(folder, 'a'))).toBeUndefined();
  expect(await readFile(join(folder, 'a.0123456789ab.claim'), 'utf8')).toBe('');
});
