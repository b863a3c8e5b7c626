import type { StateDict, TensorView } from '@sd/checkpoint';
import { SpectralDiffusionError } from '@sd/core';
import type { FoundLayout } from './state-dict-layout';

/** What differs, under the file's names, each with the module's own where that is another. */
export type StateDictFaults = {
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  readonly misshaped: readonly string[];
  /** Tensors with values that are infinite or no numbers; looked for only where nothing else is amiss. */
  readonly nonFinite: readonly string[];
};

const NOT_OF_THIS = 'is not of this architecture';
const NOT_FINITE = 'has values that are not finite (pass { allowNonFinite: true } to load it all the same)';

/**
 * A state dict that does not fit a module: lists every missing, unexpected and mis-shaped name; or that has values which
 * are not finite: lists the names of all tensors with such.
 */
export class StateDictError extends SpectralDiffusionError implements StateDictFaults {
  override readonly name = 'StateDictError';
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  readonly misshaped: readonly string[];
  readonly nonFinite: readonly string[];

  /** @param found the layout that is nearest, of those that the module knows by a name. */
  constructor(
    module: string,
    { missing, unexpected, misshaped, nonFinite }: StateDictFaults,
    readonly found?: FoundLayout,
  ) {
    const part = (title: string, names: readonly string[]) =>
      names.length > 0 ? `\n  ${names.length} ${title}: ${names.join(', ')}` : '';
    super(
      `${module}.loadStateDict: the state dict ${nonFinite.length > 0 ? NOT_FINITE : NOT_OF_THIS}${found ? nearest(found) : ''}` +
        part('missing', missing) +
        part('unexpected', unexpected) +
        part('of another shape', misshaped) +
        part('with values that are not finite', nonFinite),
    );
    this.missing = missing;
    this.unexpected = unexpected;
    this.misshaped = misshaped;
    this.nonFinite = nonFinite;
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
