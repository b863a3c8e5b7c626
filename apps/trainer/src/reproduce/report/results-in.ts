import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { RESULT_FILE, type ReproductionResult, readResult } from '../reproduction-result';
import { REPRODUCTIONS } from '../reproductions';
import { SCALES } from '../scale';

/** A result with the folder that has its figures. */
export type KeptResult = { readonly folder: string; readonly result: ReproductionResult };

/** All results in a folder of `sd reproduce`, in the paper's order, the largest scale of each first. @throws {UserError} on a broken one. */
export async function resultsIn(out: string): Promise<KeptResult[]> {
  const found: KeptResult[] = [];
  for (const { name } of REPRODUCTIONS) {
    for (const scale of [...SCALES].reverse()) {
      const folder = join(out, scale, name);
      const files = await readdir(folder).catch((): string[] => []);
      if (files.includes(RESULT_FILE)) found.push({ folder, result: await readResult(join(folder, RESULT_FILE)) });
    }
  }
  return found;
}
