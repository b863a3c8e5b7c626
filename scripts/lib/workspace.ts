import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export type Manifest = {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly description?: string;
  readonly license?: string;
  readonly type?: string;
  readonly sideEffects?: unknown;
  readonly repository?: { readonly type: string; readonly url: string; readonly directory: string };
  readonly engines?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly files?: readonly string[];
  readonly publishConfig?: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
};

export type Package = {
  /** Folder name, which is also how checks call it: `core`. */
  readonly id: string;
  readonly group: 'packages' | 'apps';
  readonly folder: string;
  readonly manifest: Manifest;
};

/** Every package and app of a checkout that is published, by folder name. */
export function publishedPackages(checkout = root): readonly Package[] {
  return (['packages', 'apps'] as const).flatMap((group) =>
    readdirSync(join(checkout, group))
      .sort()
      .filter((id) => existsSync(join(checkout, group, id, 'package.json')))
      .map((id): Package => {
        const folder = join(checkout, group, id);
        return { id, group, folder, manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) };
      })
      .filter(({ manifest }) => manifest.private !== true),
  );
}

/** The workspace packages that `pkg` depends on, directly. */
export function workspaceDependencies(pkg: Package, all: readonly Package[]): readonly Package[] {
  const named = pkg.manifest.dependencies ?? {};
  return all.filter(({ manifest }) => manifest.name in named);
}

/** `pkg`'s workspace dependencies and theirs, each once, without `pkg` itself. */
export function workspaceClosure(pkg: Package, all: readonly Package[]): readonly Package[] {
  const found = new Set<Package>();
  const visit = (one: Package): void => {
    for (const dependency of workspaceDependencies(one, all)) {
      if (found.has(dependency)) continue;
      found.add(dependency);
      visit(dependency);
    }
  };
  visit(pkg);
  return [...found];
}

/** Versions of the catalog in pnpm-workspace.yaml, by package name. */
export function catalog(): Readonly<Record<string, string>> {
  const text = readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8');
  const block = /^catalog:\n((?: {2}.*\n)+)/m.exec(text)?.[1];
  if (block === undefined) throw new Error('pnpm-workspace.yaml has no catalog');
  return Object.fromEntries(
    [...block.matchAll(/^ {2}"?([^":]+)"?: (\S+)$/gm)].map(([, name, version]) => [name, version]),
  );
}

/** A version of the catalog. @throws Error where the catalog does not list the package. */
export function catalogVersion(name: string): string {
  const version = catalog()[name];
  if (version === undefined) throw new Error(`${name} is not in the catalog of pnpm-workspace.yaml`);
  return version;
}
