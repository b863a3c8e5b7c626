import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, type Outcome, pass } from '../lib/tasks';
import { root } from '../lib/workspace';

/** The first copy of tfjs-core owns the global engine; tensors of a second one are unknown to its kernels. */
export async function oneTfjsCore(): Promise<Outcome> {
  const lockfile = readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8');
  const copies = new Set(lockfile.match(/^ {2}'?@tensorflow\/tfjs-core@[^':]+/gm)?.map((line) => line.trim()));
  return copies.size === 1 ? pass : fail(`pnpm-lock.yaml holds ${copies.size} copies: ${[...copies].join(', ')}`);
}
