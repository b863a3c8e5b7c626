import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';

/** The folder of `@tensorflow/tfjs-backend-wasm` that holds its `.wasm` files, with the separator at its end. */
export function wasmFolder(): string {
  return dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm')) + sep;
}
