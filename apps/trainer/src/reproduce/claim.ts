import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';

/** A claim is renewed so often, for as long as its process lives. */
const RENEWED_MS = 10_000;
/** One that was not renewed for so long is of a process that is gone, or of another machine. */
const STALE_MS = 120_000;

const holder = z.object({ host: z.string(), pid: z.int() });

/**
 * The right of one process to work on something that is named by a path, as long as nobody else has it.
 *
 * Each process puts up a file of its own beside the path and then looks for others: of two that come at the same time both
 * may step back, but never do both go on. What a killed process left behind stands in nobody's way.
 */
export class Claim {
  readonly #renewal: NodeJS.Timeout;

  private constructor(private readonly file: string) {
    this.#renewal = setInterval(() => {
      const now = new Date();
      utimes(file, now, now).catch(() => {}); // the folder was taken away: the work fails where it writes
    }, RENEWED_MS);
    this.#renewal.unref();
  }

  /** @returns undefined where another process has it. */
  static async take(path: string): Promise<Claim | undefined> {
    await mkdir(dirname(path), { recursive: true });
    const file = `${path}.${randomBytes(6).toString('hex')}.claim`;
    await writeFile(file, JSON.stringify({ host: hostname(), pid: process.pid }), { flag: 'wx' });
    if (!(await otherIsLive(path, file))) return new Claim(file);
    await rm(file, { force: true });
    return undefined;
  }

  async release(): Promise<void> {
    clearInterval(this.#renewal);
    await rm(this.file, { force: true });
  }
}

/** Is there a live claim beside one's own? Those of processes that are gone are removed. */
async function otherIsLive(path: string, own: string): Promise<boolean> {
  const folder = dirname(path);
  const start = `${basename(path)}.`;
  for (const name of await readdir(folder)) {
    const file = join(folder, name);
    if (file === own || !name.startsWith(start) || !/^[0-9a-f]{12}\.claim$/.test(name.slice(start.length))) continue;
    if (await isLive(file)) return true;
    await rm(file, { force: true });
  }
  return false;
}

async function isLive(file: string): Promise<boolean> {
  try {
    const age = Date.now() - (await stat(file)).mtimeMs;
    if (age > STALE_MS) return false;
    const { host, pid } = holder.parse(JSON.parse(await readFile(file, 'utf8')));
    return host !== hostname() || processExists(pid);
  } catch (error) {
    // Gone since it was listed; anything else is being written just now.
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
