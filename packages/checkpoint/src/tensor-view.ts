import { CheckpointError } from './checkpoint-error';
import { quote } from './quote';

/** Element types, under the names of the safetensors format. */
export type DType =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'F8_E4M3'
  | 'F8_E5M2'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U64'
  | 'U32'
  | 'U16'
  | 'U8'
  | 'BOOL';

/**
 * A tensor as bytes: `data` holds the elements in C order, little-endian, `prod(shape)` times the width of `dtype`
 * bytes, at any alignment. A view may share its memory with the file that it was read from.
 */
export type TensorView = {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
};

/** Tensors by name, in the order of the file. */
export type StateDict = ReadonlyMap<string, TensorView>;

const BYTES: ReadonlyMap<string, number> = new Map<DType, number>([
  ['F64', 8],
  ['F32', 4],
  ['F16', 2],
  ['BF16', 2],
  ['F8_E4M3', 1],
  ['F8_E5M2', 1],
  ['I64', 8],
  ['I32', 4],
  ['I16', 2],
  ['I8', 1],
  ['U64', 8],
  ['U32', 4],
  ['U16', 2],
  ['U8', 1],
  ['BOOL', 1],
]);

/** Every element type that this package knows. */
export const DTYPES: readonly DType[] = [...BYTES.keys()] as DType[];

/** Whether `name` is an element type that this package knows. */
export function isDType(name: string): name is DType {
  return BYTES.has(name);
}

/** Width of one element in bytes. */
export function bytesPerElement(dtype: DType): number {
  const bytes = BYTES.get(dtype);
  if (bytes === undefined) {
    throw new CheckpointError('bytesPerElement', 'dtype', `one of ${DTYPES.join(', ')}`, quote(dtype));
  }
  return bytes;
}

/** What `elementCount` asks of a shape, for messages. */
export const SHAPE_RULE = 'integers >= 0 with a product below 2^53';

/**
 * Number of elements of `shape`, 1 for a scalar's `[]`; `undefined` where a dimension is not an integer of
 * 0 .. 2^53 - 1 or the product, taken from the left, leaves that range.
 */
export function elementCount(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) return undefined;
    count *= dimension;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

/**
 * Checks that a view's bytes are what its dtype and shape ask for, and returns its number of elements.
 * @throws CheckpointError naming `op` and `part`.
 */
export function checkView(op: string, part: string, view: TensorView): number {
  if (!isDType(view.dtype)) {
    throw new CheckpointError(op, `${part} dtype`, `one of ${DTYPES.join(', ')}`, quote(String(view.dtype)));
  }
  const count = elementCount(view.shape);
  if (count === undefined) {
    throw new CheckpointError(op, `${part} shape`, SHAPE_RULE, describeShape(view.shape));
  }
  const bytes = count * bytesPerElement(view.dtype);
  if (view.data.length !== bytes) {
    throw new CheckpointError(
      op,
      `${part} data`,
      `${bytes} bytes for ${view.dtype} ${describeShape(view.shape)}`,
      `${view.data.length}`,
    );
  }
  return count;
}

/** `[2, 3]`; long shapes are cut, so that a hostile one does not make a message of megabytes. */
export function describeShape(shape: readonly number[]): string {
  const shown = shape.slice(0, 8).join(', ');
  return shape.length > 8 ? `[${shown}, ... (${shape.length} dimensions)]` : `[${shown}]`;
}
