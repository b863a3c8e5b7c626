import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { h } from 'preact';
import { renderToString } from 'preact-render-to-string';
import { writeAtomically } from '../../files/atomic-file';
import type { NotRun } from './not-run';
import { ReproductionPage, type ShownResult } from './page';
import { resultsIn } from './results-in';

/** Writes `report.html` of all results in a folder: one page that asks no server for anything. @throws {UserError} */
export async function writeReproductionReport(out: string, notRun: readonly NotRun[] = []): Promise<void> {
  const shown: ShownResult[] = [];
  for (const { folder, result } of await resultsIn(out)) {
    const pictures = new Map<string, string>();
    for (const { name } of result.figures) {
      const svg = await readFile(join(folder, `${name}.svg`));
      pictures.set(name, `data:image/svg+xml;base64,${svg.toString('base64')}`);
    }
    shown.push({ result, pictures });
  }
  await writeAtomically(join(out, 'report.html'), renderReproductionReport(shown, notRun));
}

/** The page's text. */
export function renderReproductionReport(results: readonly ShownResult[], notRun: readonly NotRun[] = []): string {
  return `<!doctype html>\n${renderToString(h(ReproductionPage, { results, notRun }))}\n`;
}
