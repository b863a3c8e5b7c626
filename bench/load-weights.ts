// Seconds and memory of loading LDM's FFHQ UNet, 274M parameters, from a safetensors file by ranges, beside a plain read
// of the same file. Names and shapes are the preset's, values random; the file lies in a temporary folder for as long as
// the program runs. Loading runs in a process of its own, whose peak memory is the system's account of it.
// `pnpm bench:load [wasm | cpu] [preset]`
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../packages/backend/src/index';
import { openSafetensors } from '../packages/checkpoint/src/index';
import { randomKey, uniformArray } from '../packages/core/src/index';
import { type PresetName, presets, UNet } from '../packages/unet/src/index';

const RANDOM_VALUES = 1 << 20;
const READ_BYTES = 16 << 20;
const GB = 1e9;

/** What the loading process tells. */
type Loaded = { seconds: number; cpuSeconds: number; startBytes: number; peakBytes: number; checksum: string };

/** 64 bits that depend on every value and its place: two sums of the float32 patterns. */
class Checksum {
  private sum = 0;
  private weighted = 0;

  add(values: Float32Array): void {
    const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
    let { sum, weighted } = this;
    for (const word of words) {
      sum = (sum + word) | 0;
      weighted = (weighted + sum) | 0;
    }
    this.sum = sum;
    this.weighted = weighted;
  }

  toString(): string {
    return [this.sum, this.weighted].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('');
  }
}

/** Writes a file of the model's names and shapes. @returns the checksum of its values, in the order of the file. */
function writeFile(path: string, preset: PresetName): { checksum: string; tensorBytes: number } {
  const random = Float32Array.from(uniformArray(randomKey(1), RANDOM_VALUES), (value) => value - 0.5);
  const entries: Record<string, unknown> = {};
  let offset = 0;
  const parameters = new UNet(presets[preset]).parameters();
  for (const [name, { torchShape, size }] of parameters) {
    entries[name] = { dtype: 'F32', shape: torchShape, data_offsets: [offset, offset + 4 * size] };
    offset += 4 * size;
  }
  const json = JSON.stringify(entries);
  const header = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = openSync(path, 'w');
  writeSync(file, length);
  writeSync(file, header);
  const checksum = new Checksum();
  let next = 0;
  for (const { size } of parameters.values()) {
    for (let left = size; left > 0; ) {
      const count = Math.min(left, RANDOM_VALUES - next);
      const values = random.subarray(next, next + count);
      checksum.add(values);
      writeSync(file, values);
      left -= count;
      next = (next + count) % RANDOM_VALUES;
    }
  }
  closeSync(file);
  return { checksum: checksum.toString(), tensorBytes: offset };
}

/** Seconds of reading the file once from end to end, the second time, as the loading finds it in the page cache too. */
function plainRead(path: string): number {
  const buffer = Buffer.alloc(READ_BYTES);
  let seconds = 0;
  for (let pass = 0; pass < 2; pass++) {
    const file = openSync(path, 'r');
    const start = performance.now();
    while (readSync(file, buffer) > 0);
    seconds = (performance.now() - start) / 1000;
    closeSync(file);
  }
  return seconds;
}

async function load(path: string, backend: 'wasm' | 'cpu', preset: PresetName): Promise<Loaded> {
  await useBackend(backend);
  tf.tidy(() => tf.add(tf.ones([8]), 1).dataSync());
  const model = new UNet(presets[preset]);
  const startBytes = process.resourceUsage().maxRSS * 1024;
  const cpu = process.cpuUsage();
  const start = performance.now();
  const handle = await open(path);
  const { size } = await handle.stat();
  const file = await openSafetensors({
    size,
    read: async (offset, length) => {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; ) {
        const { bytesRead } = await handle.read(bytes, at, length - at, offset + at);
        if (bytesRead === 0) throw new Error(`${path} ends at ${offset + at}`);
        at += bytesRead;
      }
      return bytes;
    },
  });
  await model.loadFrom(file);
  await handle.close();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  const checksum = new Checksum();
  for (const parameter of model.parameters().values()) checksum.add(await parameter.read());
  return { seconds, cpuSeconds: (user + system) / 1e6, startBytes, peakBytes, checksum: checksum.toString() };
}

async function main(backend = 'wasm', preset = 'ldm-ffhq', path?: string): Promise<void> {
  if (backend !== 'wasm' && backend !== 'cpu') throw new Error(`backend must be wasm or cpu, got ${backend}`);
  if (!Object.hasOwn(presets, preset)) throw new Error(`preset must be one of ${Object.keys(presets).join(', ')}`);
  const name = preset as PresetName;
  if (path !== undefined) {
    console.log(JSON.stringify(await load(path, backend, name)));
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'load-weights-'));
  try {
    const file = join(folder, 'weights.safetensors');
    const { checksum, tensorBytes } = writeFile(file, name);
    const plain = plainRead(file);
    // the same flags and loader as this process, so that TypeScript runs there too
    const args = [...process.execArgv, fileURLToPath(import.meta.url), backend, preset, file];
    const child = spawnSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    if (child.status !== 0) throw new Error(`loading ended with ${child.status ?? child.signal}`);
    const loaded = JSON.parse(child.stdout.trim().split('\n').at(-1) ?? '') as Loaded;
    const bytes = statSync(file).size;
    const rate = (seconds: number) => `${seconds.toFixed(2)} s (${(bytes / GB / seconds).toFixed(2)} GB/s)`;
    console.log(`${preset} on ${backend}: ${(tensorBytes / GB).toFixed(3)} GB of tensors`);
    console.log(`load by ranges  ${rate(loaded.seconds)}, ${loaded.cpuSeconds.toFixed(2)} s of CPU`);
    console.log(`plain read      ${rate(plain)}`);
    const ratio = (peak: number) => `${(peak / GB).toFixed(3)} GB = ${(peak / tensorBytes).toFixed(3)} x the tensors`;
    console.log(
      `peak memory     ${ratio(loaded.peakBytes)}, ${ratio(loaded.peakBytes - loaded.startBytes)} above the start`,
    );
    console.log(`checksum        ${loaded.checksum === checksum ? 'equal' : 'DIFFERENT'} (${checksum})`);
    if (loaded.checksum !== checksum) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await main(...process.argv.slice(2));
process.exit();
