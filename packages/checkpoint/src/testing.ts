import { readFileSync } from 'node:fs';

/** The bytes of a file of the repository's `goldens/`. For tests only. */
export function goldenBytes(name: string): Uint8Array {
  return readFileSync(new URL(`../../../goldens/${name}`, import.meta.url));
}

/** A safetensors file with just this header, whatever it says, and this data. For tests only. */
export function fileOf(header: string | Uint8Array, data: ArrayLike<number> = [], length?: bigint): Uint8Array {
  const bytes = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const file = new Uint8Array(8 + bytes.length + data.length);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(bytes.length), true);
  file.set(bytes, 8);
  file.set(data, 8 + bytes.length);
  return file;
}

/** Integers of 0 .. n - 1, the same for the same seed (mulberry32). For tests only. */
export function seededIntegers(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}
