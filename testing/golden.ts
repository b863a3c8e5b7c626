import { readFileSync } from 'node:fs';

const folder = new URL('../goldens/', import.meta.url);

/** The bytes of a file in goldens/. */
export function golden(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(name, folder)));
}

/** A JSON file of goldens/; the caller names its type. */
export function goldenJson<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as T;
}
