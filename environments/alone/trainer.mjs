import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

// The command as npm links it, from the packed package's own `bin`.
const manifest = createRequire(import.meta.url).resolve('@sd/trainer/package.json');
const { bin } = JSON.parse(readFileSync(manifest, 'utf8'));
const command = join(manifest, '..', bin['sd-trainer']);
const run = (...args) => execFileSync(process.execPath, [command, ...args], { encoding: 'utf8' });

assert.match(run('--help'), /train-autoencoder/);
assert.match(run('info', 'sd-ffhq', '--json'), /21098051/);
