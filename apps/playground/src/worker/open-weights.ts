import { openSafetensors, openTorch, type TensorFile } from '@sd/checkpoint';
import { rangeSource } from './dropped-files';
import { explainedLater, type Metadata } from './own-files';

/** A dropped file of weights, of which only the header is in memory. */
export type Weights = { readonly name: string; readonly file: TensorFile; readonly metadata: Metadata };

const SAFETENSORS = /\.safetensors$/i;
const TORCH = /\.(ckpt|pt|pth|bin)$/i;

export function isWeights(name: string): boolean {
  return SAFETENSORS.test(name) || TORCH.test(name);
}

/** What lists the parts of a model, as `model.safetensors.index.json`. */
export function isShardIndex(name: string): boolean {
  return /\.safetensors\.index(\.\w+)?\.json$/i.test(name);
}

/** CLIP's text model by itself. */
export function isTextModel({ file }: Weights): boolean {
  return file.names.some((name) => /^(text_model\.)?embeddings\.token_embedding\.weight$/.test(name));
}

/** Opens safetensors, or a file of torch.save, of which nothing is run. @throws {UserError} on broken files. */
export async function openWeights(path: string, file: File): Promise<Weights> {
  const source = rangeSource(file);
  if (TORCH.test(path)) return { name: path, file: await explainedLater(path, openTorch(source)), metadata: {} };
  const opened = await explainedLater(path, openSafetensors(source));
  return { name: path, file: opened, metadata: opened.metadata };
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
