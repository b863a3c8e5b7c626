import { type Reading, read } from '../range-source';
import type { TensorView } from '../tensor-view';
import { type Contents, collectTensors, type FoundTensor } from './collect-tensors';
import type { Fail } from './fail';
import { isInertCall } from './inert-calls';
import { isLegacy, openLegacyLayout } from './legacy-layout';
import type { Pickle } from './pickle-machine';
import { plainName } from './pickle-values';
import { TensorRef } from './tensor-ref';
import { toContiguous } from './to-contiguous';
import type { TorchLayout } from './torch-layout';
import { isZip } from './zip-directory';
import { openZipLayout } from './zip-layout';

/** How a file of torch.save is read. */
export type TorchOptions = {
  /**
   * What becomes of calls of unknown functions, and of unknown objects among a state dict's tensors. By default the
   * file is refused, with their names; `'keep'` leaves them unread and lists them. They are run in neither case.
   */
  readonly opaque?: 'refuse' | 'keep';
};

/** An open file: everything in its pickle, and how to read its tensors. */
export type OpenContents = Contents & {
  readonly opaque: readonly string[];
  /** Reads one tensor. What it takes beyond the file's own bytes is at most `mayCopy(bytes)`. */
  readonly view: (tensor: FoundTensor, part: string) => Reading<TensorView>;
};

const FIRST_BYTES = 16;
const TAR_MAGIC_AT = 257;
const TAR_MAGIC = [0x75, 0x73, 0x74, 0x61, 0x72];
const MAX_LISTED = 20;

/** Bytes that copies of one file's strided tensors may take: `x.expand(...)` is larger than its storage. */
const COPY_PER_BYTE = 8;
const FREE_COPY = 1 << 24;

/**
 * Opens a file of torch.save, zip or legacy, without running any of it.
 * @throws what `fail` returns.
 */
export function* openContents(size: number, { opaque = 'refuse' }: TorchOptions, fail: Fail): Reading<OpenContents> {
  const layout = yield* openLayout(size, fail);
  const { pickle } = layout;
  if (opaque === 'refuse') refuseCalls(pickle, fail);
  const contents = collectTensors(pickle.value, pickle.end, opaque === 'keep', fail);
  for (const found of [contents.tensors, contents.others]) {
    for (const tensor of found.values()) if (tensor instanceof TensorRef) layout.checkStorage(tensor.storage);
  }
  return {
    ...contents,
    opaque: [...new Set(pickle.opaque.map(({ name }) => name))],
    view: (tensor, part) => readView(tensor, part, layout, size, fail),
  };
}

/** Counts the bytes that strided tensors take as copies. */
export function copyBudget(size: number, fail: Fail): (tensor: FoundTensor, part: string) => void {
  let left = COPY_PER_BYTE * size + FREE_COPY;
  return (tensor, part) => {
    if (!(tensor instanceof TensorRef) || tensor.isContiguous) return;
    left -= tensor.bytes;
    if (left < 0) {
      const limit = COPY_PER_BYTE * size + FREE_COPY;
      throw fail(part, `of at most ${limit} bytes, with what other strided tensors take`, `${tensor.bytes} more`);
    }
  };
}

function* openLayout(size: number, fail: Fail): Reading<TorchLayout> {
  const start = yield* read('start', 0, Math.min(size, TAR_MAGIC_AT + TAR_MAGIC.length));
  if (isZip(start)) return yield* openZipLayout(size, fail);
  if (isLegacy(start)) return yield* openLegacyLayout(size, fail);
  const isTar = TAR_MAGIC.every((byte, i) => start[TAR_MAGIC_AT + i] === byte);
  const hex = [...start.subarray(0, FIRST_BYTES)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  throw fail(
    'file',
    'of torch.save, a zip archive or its legacy pickles',
    isTar ? 'a tar archive of PyTorch before 0.1.10 (save it again)' : `one that begins with ${hex || 'nothing'}`,
  );
}

/** Unknown calls would have run code: the file is refused, with the names of all. */
function refuseCalls({ opaque }: Pickle, fail: Fail): void {
  const calls = opaque.filter(({ how, name }) => how === 'call' && !isInertCall(name));
  const names = [...new Set(calls.map(({ name }) => plainName(name)))];
  if (names.length === 0) return;
  const more = names.length > MAX_LISTED ? `, and ${names.length - MAX_LISTED} more` : '';
  throw fail(
    'file',
    "free of calls that are not known to be data (nothing was run; pass { opaque: 'keep' } to leave them unread)",
    `calls of ${names.slice(0, MAX_LISTED).join(', ')}${more}`,
  );
}

function* readView(
  tensor: FoundTensor,
  part: string,
  layout: TorchLayout,
  size: number,
  fail: Fail,
): Reading<TensorView> {
  if (!(tensor instanceof TensorRef)) return tensor;
  const { dtype, shape, begin, end } = tensor;
  if (end === 0) return { dtype, shape, data: new Uint8Array(0) };
  const offset = yield* layout.locate(tensor.storage);
  if (offset + end > size) throw fail(part, `within the ${size} bytes of the file`, `${offset + end}`);
  const span = yield* read(part, offset + begin, end - begin);
  return { dtype, shape, data: tensor.isContiguous ? span : toContiguous(tensor, span) };
}
