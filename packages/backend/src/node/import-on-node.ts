/**
 * `import(specifier)`, hidden from bundlers: a browser bundle must not contain Node's modules or packages that are
 * Node's alone, and cannot resolve optional peers that are not installed.
 */
export function importOnNode(specifier: string): Promise<unknown> {
  return import(/* @vite-ignore */ /* webpackIgnore: true */ specifier);
}

export async function importModule(): Promise<typeof import('node:module')> {
  return (await importOnNode('node:module')) as typeof import('node:module');
}

export async function importFs(): Promise<typeof import('node:fs')> {
  return (await importOnNode('node:fs')) as typeof import('node:fs');
}

export async function importPath(): Promise<typeof import('node:path')> {
  return (await importOnNode('node:path')) as typeof import('node:path');
}

export async function importOs(): Promise<typeof import('node:os')> {
  return (await importOnNode('node:os')) as typeof import('node:os');
}
