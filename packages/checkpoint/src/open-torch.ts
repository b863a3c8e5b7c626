import { CheckpointError } from './checkpoint-error';
import { quote } from './quote';
import { checkSize, type RangeSource, readLater } from './range-source';
import type { TensorFile } from './tensor-file';
import type { FoundTensor, TorchScalar } from './torch/collect-tensors';
import type { Fail } from './torch/fail';
import { copyBudget, openContents, type TorchOptions } from './torch/open-contents';

/** An open file of torch.save, of which only the pickle is in memory: the state dict's tensors, and what is beside. */
export type TorchFile = TensorFile & {
  /** The key that wraps the state dict, such as Lightning's `state_dict`, where the file has one. */
  readonly wrapper: string | undefined;
  /** Tensors beside the wrapped state dict, such as an optimiser's, by their whole path. */
  readonly others: TensorFile;
  /** Plain values anywhere in the file, by their whole path: `epoch`, `global_step`. Without a prototype. */
  readonly metadata: Readonly<Record<string, TorchScalar>>;
  /** Classes and functions of Python whose objects were left unread. */
  readonly opaque: readonly string[];
};

/**
 * Opens a file of torch.save for reading by ranges, one tensor at a time; else as `readTorch`. A strided tensor is read
 * as the part of its storage that it spans.
 * @throws CheckpointError as `readTorch`, and where `read` returns another length; what `read` itself throws passes
 * through.
 */
export async function openTorch(source: RangeSource, options: TorchOptions = {}): Promise<TorchFile> {
  const op = 'openTorch';
  const fail: Fail = (part, expected, actual) => new CheckpointError(op, part, expected, actual);
  checkSize(op, source);
  const contents = await readLater(op, source, openContents(source.size, options, fail));
  const { metadata, wrapper, opaque } = contents;
  const fileOf = (found: ReadonlyMap<string, FoundTensor>): TensorFile => {
    const info = (name: string): FoundTensor => {
      const tensor = found.get(name);
      if (tensor === undefined) throw fail('name', `one of the file's ${found.size} tensors`, quote(name));
      return tensor;
    };
    const tensor: TensorFile['tensor'] = async (name) => {
      const part = `tensor ${quote(name)}`;
      copyBudget(source.size, fail)(info(name), part);
      return await readLater(op, source, contents.view(info(name), part));
    };
    return {
      names: [...found.keys()],
      info: (name) => {
        const { dtype, shape } = info(name);
        return { dtype, shape };
      },
      tensor,
      async *tensors() {
        for (const name of found.keys()) yield [name, await tensor(name)];
      },
    };
  };
  return { ...fileOf(contents.tensors), others: fileOf(contents.others), wrapper, metadata, opaque };
}
