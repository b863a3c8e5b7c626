import { CheckpointError } from './checkpoint-error';
import { quote } from './quote';
import { readNow } from './range-source';
import type { TensorView } from './tensor-view';
import type { FoundTensor, TorchScalar } from './torch/collect-tensors';
import type { Fail } from './torch/fail';
import { copyBudget, openContents, type TorchOptions } from './torch/open-contents';

/** A whole file of torch.save. */
export type TorchCheckpoint = {
  /** The state dict, by the keys that lead to each tensor, joined with dots; without `wrapper`. */
  readonly tensors: Map<string, TensorView>;
  /** The key that wraps the state dict, such as Lightning's `state_dict`, where the file has one. */
  readonly wrapper: string | undefined;
  /** Tensors beside the wrapped state dict, such as an optimiser's, by their whole path. */
  readonly others: Map<string, TensorView>;
  /** Plain values anywhere in the file, by their whole path: `epoch`, `global_step`. Without a prototype. */
  readonly metadata: Readonly<Record<string, TorchScalar>>;
  /** Classes and functions of Python whose objects were left unread. */
  readonly opaque: readonly string[];
};

/**
 * Reads a file of torch.save (`.pth`, `.pt`, `.ckpt`, `.bin`) from memory: zip archives and the legacy format, with
 * state dicts nested anywhere, as Lightning nests them. Nothing of the file runs: its pickle is read by an interpreter
 * of data, in which the functions that make tensors and plain containers are our own.
 *
 * - A tensor's name is the path of keys to it, joined with dots. One of the keys `state_dict`, `model_state_dict`,
 *   `model`, `module` and `params` at the root is left out where its dict alone holds tensors.
 * - Objects of unknown classes are left unread, and listed in `opaque`. Calls of unknown functions, and unknown objects
 *   among a state dict's tensors, refuse the file by name, unless `opaque` is `'keep'`.
 * - Contiguous tensors share the memory of `bytes`, those that share a storage each other's too; strided ones are
 *   copied, into at most 8 times the file's size and 16 MiB in all.
 * @param bytes the whole file. Borrowed for as long as the views are used.
 * @throws CheckpointError on anything that is not such a file, on other opcodes and element types, by name, on files of
 * big-endian machines, TorchScript, compressed archives and the tar archives of PyTorch before 0.1.10.
 */
export function readTorch(bytes: Uint8Array, options: TorchOptions = {}): TorchCheckpoint {
  const fail: Fail = (part, expected, actual) => new CheckpointError('readTorch', part, expected, actual);
  const contents = readNow(bytes, openContents(bytes.length, options, fail));
  const { metadata, wrapper, opaque } = contents;
  const spend = copyBudget(bytes.length, fail);
  const views = (found: Map<string, FoundTensor>): Map<string, TensorView> => {
    const result = new Map<string, TensorView>();
    for (const [name, tensor] of found) {
      const part = `tensor ${quote(name)}`;
      spend(tensor, part);
      result.set(name, readNow(bytes, contents.view(tensor, part)));
    }
    return result;
  };
  return { tensors: views(contents.tensors), wrapper, others: views(contents.others), metadata, opaque };
}
