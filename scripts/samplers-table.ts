import { readFileSync, writeFileSync } from 'node:fs';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { schedulerClasses, schedulerFromConfig } from '../packages/schedulers/src/scheduler-from-config';
import {
  dispatchesOf,
  grid,
  gridNumbers,
  referenceModel,
  referenceModelNumbers,
  samplePlan,
} from '../packages/schedulers/src/test-fixtures';

// Writes docs/samplers.md, and its first table into the README of @sd/schedulers:  npx pnpm@10 samplers-table
// Everything but the first four columns is measured here, on the cpu backend.

type Shape = [number, number, number, number];
type Case = {
  readonly scheduler: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly steps: number;
  readonly init_noise_sigma: number;
  readonly start?: number;
  readonly custom_timesteps?: readonly number[];
  readonly custom_sigmas?: readonly number[];
  readonly step_kwargs?: { readonly eta?: number };
  readonly known?: readonly number[];
  readonly final: readonly number[];
};
type Golden = { readonly shape: Shape; readonly cases: readonly Case[] };

/** Our function, where the method is from, its order (the measured one: convergence.test.ts), whether it draws. */
const about: Readonly<Record<string, readonly [string, string, string, string]>> = {
  DDPMScheduler: ['ddpmScheduler', 'Ho et al. 2020', '1', 'yes'],
  DDIMScheduler: ['ddimScheduler', 'Song et al. 2021', '1', '`eta`'],
  DDIMInverseScheduler: ['ddimInverseScheduler', 'Song et al. 2021', '1', 'no'],
  PNDMScheduler: ['pndmScheduler', 'Liu et al. 2022 (PNDM, PLMS)', '2 to 4', 'no'],
  LMSDiscreteScheduler: ['lmsScheduler', 'k-diffusion', '4', 'no'],
  EulerDiscreteScheduler: ['eulerScheduler', 'Karras et al. 2022', '1', 'no'],
  EulerAncestralDiscreteScheduler: ['eulerAncestralScheduler', 'k-diffusion', '1', 'yes'],
  HeunDiscreteScheduler: ['heunScheduler', 'Karras et al. 2022', '2', 'no'],
  KDPM2DiscreteScheduler: ['kdpm2Scheduler', 'k-diffusion', '2', 'no'],
  KDPM2AncestralDiscreteScheduler: ['kdpm2AncestralScheduler', 'k-diffusion', '2', 'yes'],
  DPMSolverMultistepScheduler: ['dpmSolverMultistepScheduler', 'Lu et al. 2022', '1, 2, (3)', '`sde-...`'],
  DPMSolverSinglestepScheduler: ['dpmSolverSinglestepScheduler', 'Lu et al. 2022', '1 to 3', '`sde-...`'],
  DPMSolverSDEScheduler: ['dpmSolverSdeScheduler', 'k-diffusion', '2', 'yes'],
  DEISMultistepScheduler: ['deisScheduler', 'Zhang and Chen 2023', '1 to 3', 'no'],
  UniPCMultistepScheduler: ['uniPcScheduler', 'Zhao et al. 2023', '2 to 4', 'no'],
  SASolverScheduler: ['saSolverScheduler', 'Xue et al. 2023', '1 to 5', '`tau`'],
  EDMEulerScheduler: ['edmEulerScheduler', 'Karras et al. 2022', '1', 'no'],
  EDMDPMSolverMultistepScheduler: ['edmDpmSolverMultistepScheduler', 'Lu et al. 2022', '1, 2, (3)', '`sde-...`'],
  LCMScheduler: ['lcmScheduler', 'Luo et al. 2023', 'few steps', 'yes'],
  TCDScheduler: ['tcdScheduler', 'Zheng et al. 2024', 'few steps', '`eta`'],
  FlowMatchEulerDiscreteScheduler: ['flowMatchEulerScheduler', 'Esser et al. 2024', '1', '`stochastic_sampling`'],
  FlowMatchHeunDiscreteScheduler: ['flowMatchHeunScheduler', 'Esser et al. 2024', '2', 'no'],
  RePaintScheduler: ['repaintScheduler', 'Lugmayr et al. 2022', '1', 'yes'],
};

const folder = new URL('../', import.meta.url);
const read = (name: string) => JSON.parse(readFileSync(new URL(`goldens/${name}`, folder), 'utf8')) as Golden;
const reference = read('schedulers.json');
const exact = read('samplers.json');
const LIMIT = 2e-4;

function relativeError(values: ArrayLike<number>, expected: readonly number[]): number {
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(value - values[i]))) / largest;
}

const schedulerOf = ({ scheduler, config }: Case) => schedulerFromConfig({ _class_name: scheduler, ...config });

const optionsOf = ({
  steps,
  start,
  custom_timesteps: timesteps,
  custom_sigmas: sigmas,
  step_kwargs: kwargs,
}: Case) => ({
  ...(timesteps ? { timesteps } : sigmas ? { sigmas } : { steps }),
  ...(start === undefined ? {} : { start }),
  ...kwargs,
});

/** The error of a run on float32 tensors. */
async function tensorError(golden: Case, shape: Shape): Promise<number> {
  const scheduler = schedulerOf(golden);
  const options = optionsOf(golden);
  const tensor = (k: number) => tf.tensor4d(grid(shape, k), shape);
  const x =
    golden.start === undefined
      ? (tf.mul(tensor(1), scheduler.initNoiseSigma(golden.steps)) as tf.Tensor4D)
      : scheduler.startFromImage(tensor(7), tensor(8), options).x;
  const isCustom = golden.custom_timesteps ?? golden.custom_sigmas;
  const start = isCustom ? (tf.mul(tensor(1), golden.init_noise_sigma) as tf.Tensor4D) : x;
  const known = golden.known && tf.tensor4d([...golden.known], shape);
  const sample = await scheduler.sample(referenceModel, start, {
    ...options,
    ...(known ? { inpaint: { image: tensor(7), known } } : {}),
    noise: (n, of) => tf.tensor(grid(of, 100 + n), of),
  });
  return relativeError(await sample.data(), golden.final);
}

/** The error of a plan carried out in float64. */
function planError(golden: Case, shape: Shape): number {
  const plan = schedulerOf(golden).plan(optionsOf(golden));
  const [{ level }] = plan;
  const noise = gridNumbers(shape, 8);
  const x =
    golden.start === undefined
      ? gridNumbers(shape, 1).map((value) => value * golden.init_noise_sigma)
      : gridNumbers(shape, 7).map((value, i) => level.signal * value + level.noise * noise[i]);
  return relativeError(samplePlan({ plan, x, model: referenceModelNumbers, batch: shape[0] }), golden.final);
}

async function measured(name: string): Promise<string> {
  const cases = reference.cases.filter(({ scheduler }) => scheduler === name);
  const errors: number[] = [];
  for (const golden of cases) errors.push(await tensorError(golden, reference.shape));
  const passed = errors.filter((error) => error <= LIMIT);
  const exactCases = exact.cases.filter(({ scheduler }) => scheduler === name);
  const exactErrors = exactCases
    .filter(({ known }) => known === undefined)
    .map((golden) => planError(golden, exact.shape));
  const tensorErrors: number[] = [];
  for (const golden of exactCases) tensorErrors.push(await tensorError(golden, exact.shape));

  const scheduler = schedulerFromConfig({ _class_name: name, clip_sample: false });
  const x = tf.tensor4d(grid([1, 4, 4, 1], 1), [1, 4, 4, 1]);
  const steps = 20;
  const dispatches = await dispatchesOf(() =>
    scheduler.sample((input) => tf.clone(input), x, { steps, noise: () => tf.clone(x) }),
  );
  const calls = scheduler.plan({ steps }).filter(({ skipsModel }) => !skipsModel).length;
  const show = (values: readonly number[]) => (values.length === 0 ? '-' : Math.max(...values).toExponential(1));
  const [ours, source, order, noise] = about[name];
  const row = [
    `\`${name}\``,
    `\`${ours}\``,
    source,
    order,
    noise,
    calls > 60 ? 'jumps' : (calls / steps).toFixed(2),
    cases.length === 0 ? '-' : `${passed.length} of ${cases.length}`,
    show(passed),
    `${exactCases.length}`,
    show(exactErrors),
    show(tensorErrors),
    (dispatches / scheduler.plan({ steps }).length).toFixed(2),
  ];
  return `| ${row.join(' | ')} |`;
}

await tf.setBackend('cpu');
const rows: string[] = [];
for (const name of schedulerClasses.keys()) rows.push(await measured(name));
const headings = [
  'diffusers',
  'here',
  'source',
  'order',
  'noise',
  'calls a step',
  'reference runs',
  'largest error',
  'float64 runs',
  'largest error in float64',
  'on tensors',
  'dispatches a call',
];
const table = [`| ${headings.join(' | ')} |`, `|${headings.map(() => ' --- |').join('')}`, ...rows].join('\n');
const text = `# Samplers

Made by \`npx pnpm@10 samplers-table\`; do not edit.

${table}

- **Order**: of convergence, as measured in \`convergence.test.ts\`. In brackets where the values of diffusers converge less
  fast than their name says: multistep DPM-Solver of order 3 has half of a derivative for the whole.
- **Reference runs**: float32 tensors against diffusers with its float32 tables (\`goldens/schedulers.json\`), passed within
  ${LIMIT} of the largest value, and the largest error of those. The two that are not are ill-conditioned in diffusers' float32
  tables and checked apart (\`golden.test.ts\`): 1000 steps of DDPM on the cosine schedule, and Heun with Karras sigmas on it.
- **Float64 runs**: against diffusers' own code with float64 in place of float32 (\`goldens/make-samplers.py\`), which covers
  every class and option: the plan carried out in float64, and float32 tensors.
- **Dispatches a call**: kernels of the sampler for each call of the model, on the cpu backend, copies and reshapes not
  counted; unclipped predictions. Steps that only one kernel could fuse are a product of matrices: concatenate, multiply, split.
`;
writeFileSync(new URL('docs/samplers.md', folder), text);
const readme = new URL('packages/schedulers/README.md', folder);
const narrow = [table.split('\n')[0], table.split('\n')[1], ...rows].map(
  (row) => `${row.split(' | ').slice(0, 6).join(' | ').replace(/\|$/, '')} |`,
);
narrow[1] = `|${' --- |'.repeat(6)}`;
const between = /<!-- samplers -->[\s\S]*<!-- \/samplers -->/;
writeFileSync(
  readme,
  readFileSync(readme, 'utf8').replace(between, `<!-- samplers -->\n\n${narrow.join('\n')}\n\n<!-- /samplers -->`),
);
