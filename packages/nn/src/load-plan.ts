import { ArgumentError } from '@sd/core';
import type { Parameter } from './parameter';
import type { StateBuffer } from './state-buffer';
import { StateDictError } from './state-dict';
import {
  type FoundLayout,
  type LayoutPlace,
  nameAt,
  placesOf,
  type StateDictLayout,
  type TensorMapping,
  type TensorSource,
} from './state-dict-layout';

/** What a file's header tells: names and shapes. Every state dict is one. */
export type TensorShapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

/** Which of a file's models to take, or how to write one. Without options the names decide. */
export type LayoutOptions = {
  /** A project that the module knows, as 'diffusers'. */
  readonly layout?: string;
  /** What the names begin with; others in the file are passed over. */
  readonly prefix?: string;
  /** The moving average, under LDM's LitEma names. A file that has both gives the plain weights by default. */
  readonly ema?: boolean;
};

/** How a state dict is loaded. */
export type LoadOptions = LayoutOptions & {
  /** Loads values that are infinite or no numbers too. By default they are refused: such weights give only more. */
  readonly allowNonFinite?: boolean;
};

/** One parameter or buffer, the tensors of the file that it is made of, and how. A buffer is made of one, as it is. */
export type LoadStep = {
  readonly name: string;
  readonly entry: Parameter | StateBuffer;
  /** Under the file's names. */
  readonly sources: readonly TensorSource[];
  /** The sources' values, in their order, in PyTorch order: what `Parameter.load` takes. */
  join(values: readonly Float32Array[]): Float32Array;
};

export type LoadPlan = { readonly found: FoundLayout; readonly steps: readonly LoadStep[] };

type Candidate = { readonly layout: StateDictLayout; readonly place: LayoutPlace; readonly found: FoundLayout };

/**
 * Holds a file's header against parameters and buffers, in every layout, before anything is read: the layout is the one of whose
 * names the most are there, the first of several.
 *
 * @throws {StateDictError} that lists every missing, unexpected and mis-shaped name, under the file's names.
 * @throws {ArgumentError} on options that no layout has.
 */
export function planLoad(
  module: string,
  entries: ReadonlyMap<string, Parameter | StateBuffer>,
  layouts: readonly StateDictLayout[],
  header: TensorShapes,
  options: LayoutOptions = {},
): LoadPlan {
  const { layout, place, found } = bestCandidate(`${module}.loadStateDict`, layouts, header, options);
  const missing: string[] = [];
  const misshaped: string[] = [];
  const steps: LoadStep[] = [];
  const expected = new Set<string>();
  const own = (name: string, parameter: string) =>
    name === place.prefix + parameter ? name : `${name} (${parameter})`;
  for (const [name, entry] of entries) {
    const mapping = mappingOf(layout, name);
    const sources = mapping.sources.map(({ name: source, shape }) => ({ name: nameAt(place, source), shape }));
    for (const { name: source, shape } of sources) {
      expected.add(source);
      const actual = header.get(source)?.shape;
      if (!actual) missing.push(own(source, name));
      else if (!sameShape(actual, shape)) {
        misshaped.push(`${own(source, name)} expected [${shape.join(', ')}], got [${actual.join(', ')}]`);
      }
    }
    steps.push({ name, entry, sources, join: (values) => mapping.join(values) });
  }
  const unexpected = [...header.keys()].filter((name) => name.startsWith(place.prefix) && !expected.has(name));
  if (missing.length + unexpected.length + misshaped.length > 0) {
    const faults = { missing, unexpected, misshaped, nonFinite: [] };
    throw new StateDictError(module, faults, layout.project === '' ? undefined : found);
  }
  return { found, steps };
}

/** One parameter or buffer, and the tensors of the file that it is written as. */
export type SaveStep = { readonly entry: Parameter | StateBuffer } & Pick<TensorMapping, 'sources' | 'split'>;

/** How a module is written. @throws {ArgumentError} on options that no layout has. */
export function planSave(
  module: string,
  entries: ReadonlyMap<string, Parameter | StateBuffer>,
  layouts: readonly StateDictLayout[],
  options: LayoutOptions = {},
): SaveStep[] {
  const [{ layout, place }] = candidates(`${module}.stateDict`, layouts, options);
  return [...entries].map(([name, entry]) => {
    const mapping = mappingOf(layout, name);
    const sources = mapping.sources.map((source) => ({ ...source, name: nameAt(place, source.name) }));
    return { entry, sources, split: (own) => mapping.split(own) };
  });
}

/** How a file's names are understood, fitting or not. @throws {ArgumentError} on options that no layout has. */
export function detectLayout(
  module: string,
  layouts: readonly StateDictLayout[],
  header: TensorShapes,
  options: LayoutOptions = {},
): FoundLayout {
  return bestCandidate(`${module}.detectLayout`, layouts, header, options).found;
}

function bestCandidate(
  operation: string,
  layouts: readonly StateDictLayout[],
  header: TensorShapes,
  options: LayoutOptions,
): Candidate {
  const counted = candidates(operation, layouts, options).map(({ layout, place }) => {
    const names = [...layout.tensors.values()].flatMap(({ sources }) => sources.map(({ name }) => nameAt(place, name)));
    const matched = names.filter((name) => header.has(name)).length;
    const { project } = layout;
    const { prefix, ema = false } = place;
    return { layout, place, found: { project, prefix, ema, matched, total: names.length } };
  });
  const share = ({ found: { matched, total } }: Candidate) => (total === 0 ? 0 : matched / total);
  return counted.reduce((best, candidate) => (share(candidate) > share(best) ? candidate : best));
}

function candidates(
  operation: string,
  layouts: readonly StateDictLayout[],
  { layout: project, prefix, ema }: LayoutOptions,
): { layout: StateDictLayout; place: LayoutPlace }[] {
  const allowed = layouts.filter((layout) => project === undefined || layout.project === project);
  if (allowed.length === 0) {
    const projects = layouts.map((layout) => `'${layout.project}'`).join(', ');
    throw new ArgumentError(operation, 'layout', `one of ${projects}`, project);
  }
  const result = allowed.flatMap((layout) => {
    const places = placesOf(layout).filter((place) => ema === undefined || (place.ema ?? false) === ema);
    if (prefix === undefined) return places.map((place) => ({ layout, place }));
    return [{ layout, place: { prefix, ema: ema ?? false } }];
  });
  if (result.length === 0) {
    throw new ArgumentError(operation, 'ema', `left out, ${allowed[0].project} keeps no moving average`, ema);
  }
  return result;
}

function mappingOf(layout: StateDictLayout, name: string): TensorMapping {
  const mapping = layout.tensors.get(name);
  if (!mapping) throw new ArgumentError('StateDictLayout', layout.project, 'a layout of every parameter', name);
  return mapping;
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}
