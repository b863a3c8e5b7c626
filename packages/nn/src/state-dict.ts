import { type StateDict, type TensorView, toFloat32 } from '@sd/checkpoint';
import { SpectralDiffusionError } from '@sd/core';
import type { Parameter } from './parameter';

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
 * Holds a state dict against parameters, before anything is loaded.
 * @returns each parameter with its values in PyTorch order, decoded when called, so that one tensor at a time is held.
 * @throws {StateDictError}
 */
export function checkedParameterData(
  module: string,
  parameters: ReadonlyMap<string, Parameter>,
  state: StateDict,
): [Parameter, () => Float32Array][] {
  const missing: string[] = [];
  const misshaped: string[] = [];
  const result: [Parameter, () => Float32Array][] = [];
  for (const [name, parameter] of parameters) {
    const view = state.get(name);
    if (!view) {
      missing.push(name);
    } else if (!sameShape(view, parameter)) {
      misshaped.push(`${name} expected [${parameter.torchShape.join(', ')}], got [${view.shape.join(', ')}]`);
    } else {
      result.push([parameter, () => toFloat32(view)]);
    }
  }
  const unexpected = [...state.keys()].filter((name) => !parameters.has(name));
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

function sameShape(view: TensorView, parameter: Parameter): boolean {
  const { torchShape } = parameter;
  return view.shape.length === torchShape.length && torchShape.every((size, axis) => view.shape[axis] === size);
}
