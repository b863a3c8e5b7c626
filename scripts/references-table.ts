import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { MeasuredError } from '../testing/measured-errors';
import { type ReferenceRun, type ReferenceSet, referenceSets } from './lib/reference-sets';
import { root } from './lib/workspace';

// Writes docs/references.md from docs/references.json, after measuring anew what is asked for:
//   npx pnpm@10 references-table --backends cpu,wasm,webgpu --only 'training|losses' --limit 120
// It runs the tests that compare each set, on one backend (SD_BACKENDS), and takes from them the errors of their
// toBeAllclose (SD_MEASURED): what is in the table is what the tests compare. Without --backends: wasm.

type Errors = { value?: number; gradient?: number };
type Measured = Record<string, Record<string, Errors>>;

const BACKENDS = ['cpu', 'wasm', 'webgpu'];
const FLOAT64 = 'float64';
const { values: options } = parseArgs({
  options: {
    backends: { type: 'string', default: 'wasm' },
    only: { type: 'string', default: '' },
    limit: { type: 'string', default: '900' },
  },
});
const chosen = options.backends.split(',').filter((name) => name !== '');
const unknown = chosen.filter((name) => !BACKENDS.includes(name));
if (unknown.length > 0) throw new Error(`--backends: ${unknown} is not among ${BACKENDS}`);
const seconds = Number(options.limit);
if (!(seconds > 0)) throw new Error(`--limit: seconds per run, got ${options.limit}`);

const json = join(root, 'docs', 'references.json');
// Read again each time: another backend may be measured at the same time.
const readMeasured = () => (existsSync(json) ? (JSON.parse(readFileSync(json, 'utf8')) as Measured) : {});
const scratch = mkdtempSync(join(tmpdir(), 'references-'));

/** The errors of a run, or why there are none. */
async function errorsOf([file, tests]: ReferenceRun, backend: string): Promise<MeasuredError[] | string> {
  const lines = join(scratch, 'errors.jsonl');
  rmSync(lines, { force: true });
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const child = spawn(process.execPath, [vitest, 'run', '--config', 'vitest.references.config.ts', file, '-t', tests], {
    cwd: root,
    env: { ...process.env, SD_MEASURED: lines, ...(backend === FLOAT64 ? {} : { SD_BACKENDS: backend }) },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own, with the workers in it
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      output += bytes;
    });
  }
  const status = await new Promise<number | null>((resolve) => {
    const timer = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), seconds * 1000);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve(code);
    });
  });
  if (status === null) return `not finished after ${seconds} s`;
  if (status !== 0) return `a test failed:\n${output}`;
  const errors = existsSync(lines)
    ? readFileSync(lines, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as MeasuredError)
        .filter((error) => backend === FLOAT64 || error.backend === backend)
    : [];
  return errors.length > 0 ? errors : `no comparison: is there a test '${tests}' in ${file} on ${backend}?`;
}

async function measure(set: ReferenceSet, backend: string): Promise<void> {
  const fresh: Errors = {};
  for (const run of set.runs) {
    const errors = await errorsOf(run, backend);
    if (typeof errors === 'string') {
      console.log(`${set.name} on ${backend}: ${errors}`);
      process.exitCode = 1;
      continue;
    }
    for (const { of, error } of errors) {
      if (error === null) throw new Error(`${set.name} on ${backend}: an error that is no number, in ${run[0]}`);
      fresh[of] = Math.max(fresh[of] ?? 0, error);
    }
  }
  if (Object.keys(fresh).length === 0) return;
  const measured = readMeasured();
  measured[set.name] = { ...measured[set.name], [backend]: { ...measured[set.name]?.[backend], ...fresh } };
  console.log(`${set.name} on ${backend}: ${show(fresh.value)}, gradients ${show(fresh.gradient)}`);
  write(measured);
}

const show = (error: number | undefined) => (error === undefined ? '-' : error === 0 ? '0' : error.toExponential(1));

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, i) => Math.max(3, heading.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  return [line(headings), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function write(measured: Measured): void {
  const cell = (set: ReferenceSet, backend: string, of: keyof Errors) => {
    const backends = Object.values(measured[set.name] ?? {});
    const none = of === 'gradient' && backends.length > 0 && backends.every(({ gradient }) => gradient === undefined);
    return none ? 'none' : show(measured[set.name]?.[backend]?.[of]);
  };
  const onBackends = referenceSets
    .filter(({ float64 }) => !float64)
    .map((set) => [
      set.name,
      set.what,
      set.source,
      ...(['value', 'gradient'] as const).flatMap((of) => BACKENDS.map((backend) => cell(set, backend, of))),
    ]);
  const plain = referenceSets
    .filter(({ float64 }) => float64)
    .map((set) => [set.name, set.what, set.source, cell(set, FLOAT64, 'value')]);
  const headings = ['set', 'what', 'source', ...BACKENDS, ...BACKENDS.map((name) => `gradient, ${name}`)];
  const text = `# Reference values

Made by \`npx pnpm@10 references-table\`; do not edit. Which file is from where: \`goldens/README.md\`.

The largest error of each set: max|a - b| / max|b| of a tensor, the largest of all tensors of the set. The numbers are
those of the tests' own comparisons, which allow 1e-5 for an operation, 1e-4 for a network and 2e-4 for sampling runs with
float32 tables. WebGPU is SwiftShader's where the machine has no GPU. "none": the set has no gradients. "-": never measured.

${table(headings, onBackends)}

Where a test also allows an absolute difference, because a tensor is zero but for rounding, the error is relative to max|b|
plus that difference over the relative tolerance. Details of \`wavelets-more\` are relative to the band of means.

In float64, without a backend:

${table(['set', 'what', 'source', 'error'], plain)}

Compared exactly, hence without an error: precision and recall (\`metrics: manifold\`), the filters of \`wavelets\`, the sums
of \`timesteps\`, the bytes of \`dtypes\` and \`torch\`, the tokens of \`clip-tokenizer\`.

\`--backends cpu,wasm,webgpu\` chooses what is measured anew, \`--only\` a regular expression of sets, \`--limit\` the seconds
for a run. What is not in the repository is read from folders: \`SD_TAEF2\` and \`SD_SQUEEZENET\` have published weights and
references, \`SD_KODAK\` kodim03.png and kodim19.png, \`SD_REFERENCE\` the whole diffusers_models.safetensors.
`;
  writeFileSync(join(root, 'docs', 'references.md'), text);
  const sorted = Object.fromEntries(
    referenceSets.flatMap(({ name }) => (measured[name] ? [[name, measured[name]]] : [])),
  );
  writeFileSync(json, `${JSON.stringify(sorted, null, 2)}\n`);
}

const only = new RegExp(options.only);
write(readMeasured());
for (const set of referenceSets.filter(({ name }) => only.test(name))) {
  if (set.needs && !process.env[set.needs]) {
    console.log(`${set.name}: skipped, ${set.needs} names no folder`);
    continue;
  }
  const backends = set.float64 ? [FLOAT64] : chosen.filter((name) => (set.backends ?? BACKENDS).includes(name));
  for (const backend of backends) await measure(set, backend);
}
rmSync(scratch, { recursive: true, force: true });
