import type { StateDict, TensorView } from '@sd/checkpoint';
import { SpectralDiffusionError } from '@sd/core';
import type { FoundLayout } from './load-plan';

/** What differs, under the file's names, each with the module's own where that is another. */
export type StateDictFaults = {
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  readonly misshaped: readonly string[];
};

/** A state dict that does not fit a module: lists every missing, unexpected and mis-shaped name. */
export class StateDictError extends SpectralDiffusionError implements StateDictFaults {
  override readonly name = 'StateDictError';
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  readonly misshaped: readonly string[];

  /** @param found the layout that is nearest, of those that the module knows by a name. */
  constructor(
    module: string,
    { missing, unexpected, misshaped }: StateDictFaults,
    readonly found?: FoundLayout,
  ) {
    const part = (title: string, names: readonly string[]) =>
      names.length > 0 ? `\n  ${names.length} ${title}: ${names.join(', ')}` : '';
    super(
      `${module}.loadStateDict: the state dict is not of this architecture${found ? nearest(found) : ''}` +
        part('missing', missing) +
        part('unexpected', unexpected) +
        part('of another shape', misshaped),
    );
    this.missing = missing;
    this.unexpected = unexpected;
    this.misshaped = misshaped;
  }
}

function nearest({ project, prefix, ema, matched, total }: FoundLayout): string {
  const place = `${prefix === '' ? '' : `, under ${prefix}`}${ema ? ', as a moving average' : ''}`;
  return `\n  nearest names: ${project}${place}, ${matched} of ${total}`;
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
