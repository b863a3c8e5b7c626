import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';

// The command as npm links it, from the packed package's own `bin`.
const manifest = createRequire(import.meta.url).resolve('@sd/trainer/package.json');
const { bin } = JSON.parse(readFileSync(manifest, 'utf8'));
const command = join(manifest, '..', bin['sd-trainer']);
const run = (...args) => execFileSync(process.execPath, [command, ...args], { encoding: 'utf8' });

assert.match(run('--help'), /train-autoencoder/);
assert.match(run('info', 'sd-ffhq', '--json'), /21098051/);

// Photographs of classes are decoded in threads of their own: the bundle must find the thread's module.

const chunk = (name, data) => {
  const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(name), data, Buffer.alloc(4)]);
  bytes.writeUInt32BE(data.length, 0);
  bytes.writeUInt32BE(crcOf(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
};

/** That of zlib has no name in every Node 20. */
function crcOf(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** A PNG of one color. */
function png(size, color) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const row = Buffer.from([0, ...Array.from({ length: size }, () => color).flat()]);
  const rows = Buffer.concat(Array.from({ length: size }, () => row));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const folder = mkdtempSync(join(tmpdir(), 'sd-packed-'));
try {
  const colors = { red: [255, 0, 0], green: [0, 255, 0], blue: [0, 0, 255] };
  for (const [name, color] of Object.entries(colors)) {
    mkdirSync(join(folder, 'photographs', name), { recursive: true });
    for (let i = 0; i < 3; i++) writeFileSync(join(folder, 'photographs', name, `${i}.png`), png(16 + i, color));
  }
  const project = {
    out: 'out',
    backend: 'wasm',
    data: { source: 'class-folder', path: 'photographs', size: 16, crop: 'random', resize: false },
    firstStage: { model: 'tiny-kl-f4', steps: 2, batchSize: 4 },
    models: {},
  };
  const config = join(folder, 'project.yaml');
  writeFileSync(config, JSON.stringify(project)); // JSON is YAML
  for (const verb of ['train-autoencoder', 'encode']) {
    const { status, stderr } = spawnSync(process.execPath, [command, verb, '--config', config], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(stderr, /skipped/);
    assert.match(stderr, verb === 'encode' ? /18 latents of 4x4x8/ : /of the time was spent waiting for pictures/);
  }
  const { loss } = JSON.parse(readFileSync(join(folder, 'out/first-stage/metrics.jsonl'), 'utf8').split('\n')[0]);
  assert.ok(loss > 0 && loss < 10, `the loss is ${loss}`);
  assert.ok(existsSync(join(folder, 'out/latents/00000.safetensors')));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
