/** The part of an address after `#`: a panel and its settings, as `#sample?steps=25&seed=3`. */
export type Hash = { readonly panel: string; readonly values: Readonly<Record<string, string>> };

export function parseHash(hash: string): Hash {
  const [panel = '', query = ''] = hash.replace(/^#/, '').split('?', 2);
  return { panel, values: Object.fromEntries(new URLSearchParams(query)) };
}

export function formatHash(panel: string, values: Readonly<Record<string, string | number | boolean>>): string {
  const entries = Object.entries(values).filter(([, value]) => value !== '');
  const query = new URLSearchParams(entries.map(([name, value]) => [name, String(value)])).toString();
  return query === '' ? `#${panel}` : `#${panel}?${query}`;
}

/** What settings may be: numbers within ranges, integers but for `fractions`; texts of some choices. */
export type ReadOptions = {
  readonly ranges?: Readonly<Record<string, readonly [number, number]>>;
  readonly choices?: Readonly<Record<string, readonly string[]>>;
  readonly fractions?: readonly string[];
};

/**
 * Settings as a link says them: of each default's type, numbers within their ranges and integers where the default is
 * one. What is missing or makes no sense is the default.
 */
export function readSettings<S extends Record<string, string | number | boolean>>(
  values: Readonly<Record<string, string>>,
  defaults: S,
  { ranges = {}, choices = {}, fractions = [] }: ReadOptions = {},
): S {
  const read = Object.entries(defaults).map(([name, fallback]) => {
    const text = Object.hasOwn(values, name) ? values[name] : undefined;
    if (text === undefined) return [name, fallback];
    if (typeof fallback === 'boolean') return [name, text === 'true'];
    if (typeof fallback === 'string') return [name, choices[name]?.includes(text) === false ? fallback : text];
    const value = text.trim() === '' ? Number.NaN : Number(text);
    const [low, high] = ranges[name] ?? [-Infinity, Infinity];
    const fits = value >= low && value <= high && (fractions.includes(name) || Number.isInteger(value));
    return [name, fits ? value : fallback];
  });
  return Object.fromEntries(read) as S;
}
