import { booleanField, choiceField, type Fields } from './config-fields';
import { betaSigmas, exponentialSigmas, karrasSigmas, type SigmaRange } from './sigma-spacing';

/** Levels of noise in place of those at equally spaced timesteps; at most one of the three. */
export type SigmaConfig = {
  /** See `karrasSigmas`. */
  readonly useKarrasSigmas: boolean;
  /** See `exponentialSigmas`. */
  readonly useExponentialSigmas: boolean;
  /** See `betaSigmas`. */
  readonly useBetaSigmas: boolean;
};

export const sigmaFields: Fields<SigmaConfig> = {
  useKarrasSigmas: booleanField(false),
  useExponentialSigmas: booleanField(false),
  useBetaSigmas: booleanField(false),
};

/** Where a run ends: without noise, or at the noise of t = 0. */
export type FinalSigmaConfig = { readonly finalSigmasType: 'zero' | 'sigma_min' };

export const finalSigmaFields: Fields<FinalSigmaConfig> = {
  finalSigmasType: choiceField('zero', ['zero', 'sigma_min'] as const),
};

export type SigmaRule = (range: SigmaRange) => number[];

/** The rule that the configuration names, or null. Calls `refuse` where it names two. */
export function sigmaRuleOf(
  config: Partial<SigmaConfig>,
  refuse: (field: keyof SigmaConfig, expected: string) => never,
): SigmaRule | null {
  const rules: readonly (readonly [keyof SigmaConfig, SigmaRule])[] = [
    ['useKarrasSigmas', karrasSigmas],
    ['useExponentialSigmas', exponentialSigmas],
    ['useBetaSigmas', betaSigmas],
  ];
  const named = rules.filter(([name]) => config[name]);
  if (named.length > 1) return refuse(named[1][0], `false where ${named[0][0]} is true`);
  return named.length === 1 ? named[0][1] : null;
}
