import { type StateDict, type TensorView, toFloat32 } from '@sd/checkpoint';
import { SpectralDiffusionError } from '@sd/core';
import { Parameter } from './parameter';
import type { StateBuffer } from './state-buffer';

/** A state dict that does not fit a module: lists every missing, unexpected and mis-shaped name. */
export class StateDictError extends SpectralDiffusionError {
  override readonly name = 'StateDictError';

  constructor(
    module: string,
    readonly missing: readonly string[],
    readonly unexpected: readonly string[],
    readonly misshaped: readonly string[],
  ) {
    const part = (title: string, names: readonly string[]) =>
      names.length > 0 ? `\n  ${names.length} ${title}: ${names.join(', ')}` : '';
    super(
      `${module}.loadStateDict: the state dict is not of this architecture` +
        part('missing', missing) +
        part('unexpected', unexpected) +
        part('of another shape', misshaped),
    );
  }
}

/**
 * Holds a state dict against parameters and buffers, before anything is loaded.
 * @returns what loads them one by one, each decoded when called, so that one tensor at a time is held.
 * @throws {StateDictError}
 */
export function checkedState(
  module: string,
  entries: ReadonlyMap<string, Parameter | StateBuffer>,
  state: StateDict,
): (() => void)[] {
  const missing: string[] = [];
  const misshaped: string[] = [];
  const result: (() => void)[] = [];
  for (const [name, entry] of entries) {
    const view = state.get(name);
    if (!view) {
      missing.push(name);
    } else if (!sameShape(view, entry)) {
      misshaped.push(`${name} expected [${entry.torchShape.join(', ')}], got [${view.shape.join(', ')}]`);
    } else {
      result.push(() => (entry instanceof Parameter ? entry.load(toFloat32(view)) : entry.load(view)));
    }
  }
  const unexpected = [...state.keys()].filter((name) => !entries.has(name));
  if (missing.length + unexpected.length + misshaped.length > 0) {
    throw new StateDictError(module, missing, unexpected, misshaped);
  }
  return result;
}

/** The part of a state dict whose names begin with `prefix`, which is cut off: `withoutPrefix(state, 'model.')`. */
export function withoutPrefix(state: StateDict, prefix: string): Map<string, TensorView> {
  const result = new Map<string, TensorView>();
  for (const [name, view] of state) if (name.startsWith(prefix)) result.set(name.slice(prefix.length), view);
  return result;
}

/** The same tensors under longer names: the inverse of `withoutPrefix`. */
export function withPrefix(state: StateDict, prefix: string): Map<string, TensorView> {
  return new Map([...state].map(([name, view]) => [prefix + name, view]));
}

function sameShape(view: TensorView, { torchShape }: Parameter | StateBuffer): boolean {
  return view.shape.length === torchShape.length && torchShape.every((size, axis) => view.shape[axis] === size);
}
