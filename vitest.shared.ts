import { fileURLToPath } from 'node:url';
import tsconfig from './tsconfig.json' with { type: 'json' };

/** Workspace names resolve to their sources, as in tsconfig.json; with SD_TEST=dist to the built packages. */
export const alias = Object.entries(tsconfig.compilerOptions.paths)
  .filter(([name]) => process.env.SD_TEST !== 'dist' || name === '@sd/testing')
  .map(([name, [file]]) => ({
    find: new RegExp(`^${name}$`),
    replacement: fileURLToPath(new URL(file as string, import.meta.url)),
  }));
