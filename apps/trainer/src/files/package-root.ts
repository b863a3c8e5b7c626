import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file of this package, `pretrained/teacher.safetensors`: the same from the sources and from the built command. */
export function packageFile(name: string): string {
  return join(packageRoot(dirname(fileURLToPath(import.meta.url))), name);
}

/** The nearest folder, from `folder` upwards, with a package.json. */
function packageRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error('packageFile: there is no package.json above this module');
  return packageRoot(parent);
}
