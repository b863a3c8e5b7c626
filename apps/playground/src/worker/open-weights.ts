import { openSafetensors, openTorch, type RangeSource, type TensorFile } from '@sd/checkpoint';
import { UserError } from '../user-error';
import { explainedLater, type Metadata } from './own-files';

/** A dropped file of weights, of which only the header is in memory. */
export type Weights = { readonly name: string; readonly file: TensorFile; readonly metadata: Metadata };

const SAFETENSORS = /\.safetensors$/i;
const TORCH = /\.(ckpt|pt|pth|bin)$/i;

export function isWeights(name: string): boolean {
  return SAFETENSORS.test(name) || TORCH.test(name);
}

/** Opens safetensors, or a file of torch.save, of which nothing is run. @throws {UserError} on broken files. */
export async function openWeights(file: File): Promise<Weights> {
  const source: RangeSource = {
    size: file.size,
    read: async (offset, length) => new Uint8Array(await file.slice(offset, offset + length).arrayBuffer()),
  };
  if (TORCH.test(file.name)) {
    return { name: file.name, file: await explainedLater(file.name, openTorch(source)), metadata: {} };
  }
  if (!SAFETENSORS.test(file.name)) {
    throw new UserError(`${file.name}: not a file of weights (.safetensors, .ckpt, .pt, .pth, .bin)`);
  }
  const opened = await explainedLater(file.name, openSafetensors(source));
  return { name: file.name, file: opened, metadata: opened.metadata };
}

/** The tensors whose names begin so, under the same names; null where there are none. */
export function under(prefix: string, { file, ...weights }: Weights): Weights | null {
  const names = file.names.filter((name) => name.startsWith(prefix));
  if (names.length === 0) return null;
  const part: TensorFile = {
    names,
    info: (name) => file.info(name),
    tensor: (name) => file.tensor(name),
    async *tensors() {
      for (const name of names) yield [name, await file.tensor(name)];
    },
  };
  return { ...weights, file: part };
}
