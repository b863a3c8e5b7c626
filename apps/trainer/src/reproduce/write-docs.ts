import { existsSync } from 'node:fs';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeAtomically } from '../files/atomic-file';
import { ESTIMATE_FILE, readEstimate } from './cost/estimate';
import { reproductionDocs } from './report/reproduction-docs';
import { resultsIn } from './report/results-in';
import { RESULT_FILE } from './reproduction-result';

// Writes docs/reproduction.md from docs/reproduction:  npx pnpm@10 reproduction-docs [--from out/reproduce]
// `--from` first takes over the results of a folder of `sd reproduce`, smoke tests excepted.

const { values } = parseArgs({ options: { from: { type: 'string' } } });
const docs = resolve(fileURLToPath(new URL('../../../../docs', import.meta.url)));
const kept = join(docs, 'reproduction');

if (values.from !== undefined) {
  for (const { folder, result } of await resultsIn(resolve(values.from))) {
    if (result.scale === 'smoke') continue;
    const target = join(kept, result.scale, result.name);
    await mkdir(target, { recursive: true });
    for (const file of [RESULT_FILE, ...result.figures.map(({ name }) => `${name}.svg`)]) {
      await cp(join(folder, file), join(target, file));
    }
  }
  const estimated = join(resolve(values.from), 'full', ESTIMATE_FILE);
  if (existsSync(estimated)) await cp(estimated, join(kept, 'full', ESTIMATE_FILE));
}
const results = (await resultsIn(kept)).map(({ result }) => ({
  result,
  pictures: `reproduction/${result.scale}/${result.name}`,
}));
const summary = await readFile(join(kept, 'summary.md'), 'utf8');
await writeAtomically(join(docs, 'reproduction.md'), reproductionDocs(results, await readEstimate(kept), summary));
