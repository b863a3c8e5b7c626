import { join } from 'node:path';
import { runPnpm } from './run';
import type { Package } from './workspace';

/** Where `pnpm pack` puts a package's tarball. */
export function tarballOf({ manifest: { name, version } }: Package, folder: string): string {
  return join(folder, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`);
}

/** Packs a built package as it is published: catalog and workspace versions replaced, the root's LICENSE included. */
export function pack(pkg: Package, folder: string) {
  return runPnpm(['pack', '--pack-destination', folder], { cwd: pkg.folder });
}
