import { importPath } from './import-on-node';
import { installedAt } from './installed';

/** The folder of `@tensorflow/tfjs-backend-wasm` that holds its `.wasm` files, with the separator at its end. */
export async function wasmFolder(): Promise<string | undefined> {
  const entry = await installedAt('@tensorflow/tfjs-backend-wasm');
  if (entry === null) return undefined;
  const { dirname, sep } = await importPath();
  return dirname(entry) + sep;
}
