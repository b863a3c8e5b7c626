import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { useBackend } from '@sd/backend';
import { predictionErrors } from './prediction-errors';
import { markdownTable } from './report/reproduction-docs';

// What the models that `sd reproduce table5` trained predict of the same noisy examples, beside the teacher:
//   npx pnpm@10 prediction-errors out/reproduce/small/table5/photographs/models/steps-2400-seed-0

const { values, positionals } = parseArgs({
  options: { examples: { type: 'string', default: '1024' }, seed: { type: 'string', default: '0' } },
  allowPositionals: true,
});
const [folder] = positionals;
if (folder === undefined) throw new Error('which folder of models?');
await useBackend('wasm');
const examples = Number(values.examples);
const errors = await predictionErrors(resolve(folder), { examples, ranges: 4, seed: Number(values.seed) });
const mean = (parts: readonly number[]) => parts.reduce((sum, part) => sum + part, 0) / parts.length;
const written = (value: number) => value.toFixed(4);
process.stdout.write(
  `${markdownTable({
    title: 'What the models predict',
    note: `Of the same ${examples} noisy examples: mean squared error, and mean squared difference from the first model; then the latter in four ranges of t, from little noise to much.`,
    columns: ['model', 'error', 'from the first model', 't < 250', 't < 500', 't < 750', 't < 1000'],
    rows: errors.map(({ name, error, fromFirst }) => [
      name,
      written(mean(error)),
      written(mean(fromFirst)),
      ...fromFirst.map(written),
    ]),
  })}\n`,
);
