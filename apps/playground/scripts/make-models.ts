/**
 * `pnpm playground:models`: trains the Lite and SD models that the page ships, by the command's own demo on its own
 * generated images, and writes them as float16 into apps/playground/models. The first stage and the teacher are the
 * command's own. `--from DIR` takes the models of a demo that has run.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { float16View, readSafetensors, toFloat32, writeSafetensors } from '@sd/checkpoint';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const { values } = parseArgs({ options: { from: { type: 'string' } } });
const folder = values.from ?? join(root, 'out', 'playground-models');

if (values.from === undefined) {
  const command = ['--import', 'tsx', 'apps/trainer/src/cli.ts', 'demo', '--out', folder];
  const { status } = spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

for (const name of ['lite', 'sd']) {
  const { tensors, metadata } = readSafetensors(new Uint8Array(readFileSync(join(folder, name, 'model.safetensors'))));
  const halved = [...tensors].map(([key, view]) => [key, float16View(toFloat32(view), view.shape)] as const);
  const bytes = writeSafetensors(new Map(halved), metadata);
  const file = join(root, 'apps', 'playground', 'models', `${name}.safetensors`);
  writeFileSync(file, bytes);
  console.log(`${file}: ${bytes.length} bytes`);
}
