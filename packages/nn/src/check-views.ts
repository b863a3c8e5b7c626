import { asFloat32, bytesPerElement, DTYPES, isDType, type TensorView } from '@sd/checkpoint';
import { StateDictError } from './state-dict';

/** Tensors by the names of their file. */
type NamedView = readonly [name: string, view: TensorView];

/**
 * Checks that the bytes of each view are as many as its element type and shape ask for.
 * @throws {StateDictError} that lists all whose are not.
 */
export function checkBytes(module: string, views: Iterable<NamedView>): void {
  const misshaped: string[] = [];
  for (const [name, { dtype, shape, data }] of views) {
    if (!isDType(dtype)) {
      misshaped.push(`${name} expected an element type of ${DTYPES.join(', ')}, got ${dtype}`);
      continue;
    }
    const bytes = shape.reduce((product, size) => product * size, bytesPerElement(dtype));
    if (data.length !== bytes) {
      misshaped.push(`${name} expected ${bytes} bytes of ${dtype} [${shape.join(', ')}], got ${data.length}`);
    }
  }
  if (misshaped.length > 0) {
    throw new StateDictError(module, { missing: [], unexpected: [], misshaped, nonFinite: [] });
  }
}

/** The names of the tensors that have values which are infinite, or no numbers, as float32. */
export function nonFiniteNames(views: Iterable<NamedView>): string[] {
  return [...views].filter(([, view]) => !isFiniteView(view)).map(([name]) => name);
}

/** @throws {StateDictError} that lists the names, where there are any. */
export function refuseNonFinite(module: string, names: readonly string[]): void {
  if (names.length > 0) {
    throw new StateDictError(module, { missing: [], unexpected: [], misshaped: [], nonFinite: names });
  }
}

function isFiniteView(view: TensorView): boolean {
  if (!view.dtype.includes('F')) return true;
  const values = asFloat32(view);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  // all ones in the exponent: an infinity or no number; read as integers, since NaNs are slow as floats on some machines
  for (let i = 0; i < bits.length; i++) if ((bits[i] & 0x7f800000) === 0x7f800000) return false;
  return true;
}
