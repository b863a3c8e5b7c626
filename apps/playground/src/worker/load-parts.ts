import type { TensorFile } from '@sd/checkpoint';
import type { Module } from '@sd/nn';
import { explainedLater } from './own-files';

/** A network, and the file that holds its values. */
export type Part = { readonly name: string; readonly module: Module; readonly file: TensorFile };

/** Who waits for something long. */
export type Waiting = {
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
};

const MEGABYTE = 1e6;

/**
 * Loads networks one after the other, or none of them; progress is in megabytes, of float32.
 * @throws {UserError} that names the file. @throws the signal's reason.
 */
export async function loadParts(parts: readonly Part[], { onProgress, signal }: Waiting): Promise<void> {
  const total = parts.reduce((sum, { module }) => sum + 4 * module.parameterCount, 0);
  let done = 0;
  const onTensor = (values: number) => {
    done = Math.min(total, done + 4 * values);
    onProgress?.(Math.ceil(done / MEGABYTE), Math.ceil(total / MEGABYTE));
  };
  try {
    for (const { name, module, file } of parts) {
      await explainedLater<unknown>(name, module.loadFrom(watched(file, onTensor, signal)));
    }
  } catch (error) {
    for (const { module } of parts) module.dispose();
    throw error;
  }
}

function watched(file: TensorFile, onTensor: (values: number) => void, signal: AbortSignal | undefined): TensorFile {
  const tensor: TensorFile['tensor'] = async (name) => {
    signal?.throwIfAborted();
    const view = await file.tensor(name);
    onTensor(view.shape.reduce((product, size) => product * size, 1));
    return view;
  };
  return {
    names: file.names,
    info: (name) => file.info(name),
    tensor,
    async *tensors() {
      for (const name of file.names) yield [name, await tensor(name)];
    },
  };
}
