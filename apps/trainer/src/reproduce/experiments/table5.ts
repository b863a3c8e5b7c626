import { countParameters, type UNetConfig } from '@sd/unet';
import { z } from 'zod';
import { formatParameters } from '../../report/format';
import { type FigureLine, lineFigure } from '../figures/line-figure';
import type { Reproduction, ReproductionContext } from '../reproduction';
import { openAblationData } from './ablation/ablation-data';
import { type AblationSetting, ablationSetting, longerSetting } from './ablation/ablation-setting';
import { AblationSeed, type Measured, measured, trained } from './ablation/ablation-student';
import { TEACHER, teacherPiece } from './ablation/ablation-teacher';
import {
  ABLATION_ROWS,
  type AblationVariant,
  EFFECTS,
  LONGER,
  OPEN_VARIANTS,
  OUTPUT_EFFECTS,
  OUTPUT_ROWS,
  SEEDED,
  VARIANTS,
} from './ablation/ablation-variants';
import { type Effect, type EffectOf, effectFinding, effectsTable, measuredEffect } from './ablation/effects';
import { lambdaFigure } from './ablation/lambda-figure';
import { type LongerStudents, longerPart } from './ablation/longer-part';
import {
  DIGITS,
  type MeasuredStudent,
  type Metric,
  over,
  predictionErrorOver,
  signed,
  written,
} from './ablation/measured-student';

export const table5: Reproduction = {
  name: 'table5',
  title: 'Table 5: the ablation',
  paper:
    'FID on FFHQ: Lite 17.3, with wavelet gates 14.7; Spectral Diffusion without gates 12.4, without L_spatial 11.4, without L_freq 12.3, whole 10.5.',
  method:
    'Students of one width, on dead leaves from the teacher and the first stage of `sd demo`, or on photographs from a teacher that is trained on them first, in TAEF2’s latents. All students of a seed see the same examples, times and noise, with the same budget, and are measured at several steps of their one run, by averaged weights, while the learning rate falls to 0 at its end: an earlier measurement says how that run goes, not where a run of so many steps would end. Fréchet distance on SqueezeNet’s features and the frequency errors of Table 1, against the data. At no scale but full are these the paper’s data or teacher.',
  run,
};

/** Measurements of students that are not in the paper's table: the last ones. */
const LATE = 2;

async function run(context: ReproductionContext) {
  const { pieces, seed } = context;
  const setting = ablationSetting(context);
  const long = longerSetting(context);
  const data = await openAblationData(context, setting);
  try {
    const seeds = Array.from({ length: setting.size.seeds }, (_, i) => {
      return new AblationSeed(context, setting, data, seed + i);
    });
    const [first] = seeds;
    const longer = long && new AblationSeed(context, long, data, seed, 'longer-');
    const late = setting.milestones.slice(-LATE);
    // The six rows of every seed come before the open variants: what is there when the time is up can be compared.
    const wanted = [
      ...seeds.flatMap((one) => ABLATION_ROWS.map(({ name }) => one.training(name))),
      ...OPEN_VARIANTS.map(({ name }) => first.training(name, late)),
      ...seeds.flatMap((one) => OUTPUT_ROWS.map(({ name }) => one.training(name, late))),
      ...(longer ? LONGER.map((name) => longer.training(name)) : []),
    ];
    const either = z.union([measured, trained]);
    const found = await pieces.some(either, [teacherPiece(context, setting, data), ...wanted]);
    const teacher = measured.safeParse(found.get(TEACHER)).data;
    const students: MeasuredStudent[] = [];
    for (const variant of VARIANTS) {
      students.push(await measuredStudent(setting, variant, SEEDED.includes(variant) ? seeds : [first]));
    }
    const trainedLonger = long && longer && (await longerStudents(long, longer));
    const missing = wanted.length - found.size + (teacher ? 1 : 0);
    return outcome(setting, data.description, teacher, students, trainedLonger, missing);
  } finally {
    await data.values.close();
    data.extractor.dispose();
  }
}

async function measuredStudent(
  { project }: AblationSetting,
  variant: AblationVariant,
  seeds: readonly AblationSeed[],
): Promise<MeasuredStudent> {
  const { name } = variant;
  const parameters = countParameters(project.models[name].unet as unknown as UNetConfig);
  const runs = [];
  for (const one of seeds) {
    runs.push({ seed: one.seed, at: await one.measurements(name), predictionError: await one.predictionError(name) });
  }
  return { variant, parameters, runs };
}

async function longerStudents(setting: AblationSetting, one: AblationSeed): Promise<LongerStudents> {
  const { milestones, size } = setting;
  const students = [];
  for (const variant of VARIANTS.filter(({ name }) => LONGER.some((longer) => longer === name))) {
    students.push(await measuredStudent(setting, variant, [one]));
  }
  return { seed: one.seed, steps: size.steps, milestones, students };
}

/** The last of the steps that all rows have reached; of all steps where there is none. */
function latest(milestones: readonly number[], rows: readonly MeasuredStudent[]): number {
  const reached = milestones.filter((at) => rows.every(({ runs }) => runs.some((one) => one.at.has(at))));
  return reached[reached.length - 1] ?? milestones[milestones.length - 1];
}

/** Times the teacher's distance. */
const FAR = 1.5;

function outcome(
  { milestones, size, source, project, examples }: AblationSetting,
  data: string,
  teacher: Measured | undefined,
  students: readonly MeasuredStudent[],
  longer: LongerStudents | undefined,
  missing: number,
) {
  const trainedLonger = longerPart(longer, students, milestones);
  const rows = students.slice(0, ABLATION_ROWS.length);
  const last = latest(milestones, rows);
  const until = milestones.filter((at) => at <= last);
  const measure = (effect: EffectOf) => measuredEffect(effect, students, milestones);
  const effects = EFFECTS.map(({ from, to, ...words }) =>
    measure({ ...words, from, to, published: fid(to) - fid(from) }),
  );
  const ofOutput = OUTPUT_EFFECTS.map(measure).filter(({ at }) => at.some((values) => values.length > 0));
  const teacherUnet = project.models.teacher.unet as unknown as UNetConfig;
  return {
    settings: {
      ...size,
      ...(examples === undefined ? {} : { examples }),
      milestones,
      ...(longer ? { longerSteps: longer.steps } : {}),
      source,
      data,
      teacherParameters: countParameters(teacherUnet),
    },
    values: {
      teacher,
      students: students.map(listed),
      effects,
      ...(ofOutput.length > 0 ? { effectsOfOutput: ofOutput } : {}),
      ...(longer ? { longer: { steps: longer.steps, students: longer.students.map(listed) } } : {}),
    },
    figures: [
      ...(['frechet', 'high'] as const).flatMap((metric) => budgetFigure(metric, milestones, rows)),
      ...lambdaFigure(students, rows[0].runs[0].seed, last),
      ...trainedLonger.figures,
    ],
    tables: [
      {
        title: 'The ablation',
        note: `After ${last} steps: mean and 95 % interval over the seeds; an open variant has one. The error of the prediction is the squared one of training, without what a teacher adds, over the last fifth of all steps: students of a seed saw the same examples. The paper’s FIDs are of other data, other models and another network: compare the order.`,
        columns: [
          'student',
          'parameters',
          'Fréchet, SqueezeNet',
          'high-frequency error',
          'low',
          'error of the prediction',
          'FID on FFHQ, paper',
        ],
        rows: [
          ...(teacher
            ? [
                [
                  'the teacher',
                  formatParameters(countParameters(teacherUnet)),
                  teacher.frechet.toFixed(DIGITS.frechet),
                  teacher.high.toFixed(DIGITS.high),
                  teacher.low.toFixed(DIGITS.low),
                  null,
                  null,
                ],
              ]
            : []),
          ...students.map((student) => [
            student.variant.label,
            formatParameters(student.parameters),
            ...(['frechet', 'high', 'low'] as const).map((metric) =>
              written(over(student, last, metric), DIGITS[metric]),
            ),
            written(predictionErrorOver(student), DIGITS.predictionError),
            student.variant.fid === undefined ? null : String(student.variant.fid),
          ]),
        ],
      },
      effectsTable('What each part changes', effects, milestones),
      ...(ofOutput.length > 0
        ? [
            effectsTable(
              'What each part changes where the output alone is compared, lambdas of 10',
              ofOutput,
              milestones,
            ),
          ]
        : []),
      ...trainedLonger.tables,
    ],
    findings: [
      ...findings(until, rows, effects, missing, teacher),
      ...openFindings(students, last),
      ...ofOutput.map((effect) => `With the output alone and lambdas of 10: ${effectFinding(effect, until)}`),
      ...trainedLonger.findings,
    ],
  };
}

/** As JSON. */
function listed({ variant: { name, label }, parameters, runs }: MeasuredStudent) {
  const measurements = (at: MeasuredStudent['runs'][number]['at']) =>
    [...at].map(([steps, values]) => ({ steps, ...values }));
  return {
    name,
    label,
    parameters,
    runs: runs.map(({ seed, at, predictionError }) => ({
      seed,
      at: measurements(at),
      ...(predictionError === undefined ? {} : { predictionError }),
    })),
  };
}

const fid = (name: string) => ABLATION_ROWS.find((row) => row.name === name)?.fid ?? Number.NaN;

function findings(
  milestones: readonly number[],
  rows: readonly MeasuredStudent[],
  effects: readonly Effect[],
  missing: number,
  teacher: Measured | undefined,
): string[] {
  const last = milestones[milestones.length - 1];
  const order = (at: number, metric: Metric = 'frechet') =>
    rows
      .flatMap((student) => {
        const interval = over(student, at, metric);
        return interval ? [{ label: student.variant.label, mean: interval.mean }] : [];
      })
      .sort((a, b) => a.mean - b.mean)
      .map(({ label }) => label);
  const paper = [...ABLATION_ROWS].sort((a, b) => fid(a.name) - fid(b.name)).map(({ label }) => label);
  const settled = milestones.find((_, i) => milestones.slice(i).every((at) => order(at).join() === order(last).join()));
  return [
    ...(missing > 0 ? [`${missing} of the trainings are not finished: shown is what had been measured of them.`] : []),
    `From best to worst after ${last} steps, by the mean Fréchet distance: ${order(last).join(', ')}.`,
    ...farFromTrained(rows, last, teacher),
    `In the paper, by FID: ${paper.join(', ')}.`,
    `By the error at high frequencies: ${order(last, 'high').join(', ')}.`,
    ...(milestones.length > 1
      ? [
          settled === last || settled === undefined
            ? `The order still changes between the last two measurements (it was ${order(milestones[milestones.length - 2]).join(', ')}).`
            : `The order is the same from ${settled} steps on.`,
        ]
      : []),
    ...effects.map((effect) => effectFinding(effect, milestones)),
  ];
}

/** The open variants beside the full student of their one seed. */
function openFindings(students: readonly MeasuredStudent[], at: number): string[] {
  const full = students[ABLATION_ROWS.length - 1];
  const [{ seed, at: measurements }] = full.runs;
  const reference = measurements.get(at);
  const all = full.runs.flatMap((one) => one.at.get(at)?.frechet ?? []);
  const compared = students.slice(ABLATION_ROWS.length).flatMap(({ variant, runs: [own] }) => {
    const value = own.at.get(at);
    return value && reference ? [`${variant.label}: ${signed(value.frechet - reference.frechet, DIGITS.frechet)}`] : [];
  });
  if (compared.length === 0) return [];
  const range = Math.max(...all) - Math.min(...all);
  return [
    `What the paper leaves open, Fréchet distance less that of ${full.variant.label}, of seed ${seed} alone: ${compared.join('; ')}. ${full.variant.label} itself differs by ${range.toFixed(DIGITS.frechet)} between seeds.`,
  ];
}

/** Says so where even the best student is far behind its teacher: what orders such students is how fast they begin. */
function farFromTrained(rows: readonly MeasuredStudent[], at: number, teacher: Measured | undefined): string[] {
  const means = rows.flatMap((student) => over(student, at, 'frechet')?.mean ?? []);
  const best = Math.min(...means);
  if (!teacher || !(best > FAR * teacher.frechet)) return [];
  return [
    `All students are far from trained: the best one’s distance is ${best.toFixed(0)}, the teacher’s ${teacher.frechet.toFixed(0)}. The order at this budget says how they begin, not where they end.`,
  ];
}

function budgetFigure(metric: 'frechet' | 'high', milestones: readonly number[], rows: readonly MeasuredStudent[]) {
  if (milestones.length < 2) return [];
  const what = { frechet: 'Fréchet distance', high: 'high-frequency error' }[metric];
  const lines = rows.map((student): FigureLine => {
    const known = milestones.flatMap((at) => {
      const values = student.runs.flatMap((one) => one.at.get(at)?.[metric] ?? []);
      return values.length > 0 ? [{ at, ...meanAndDeviation(values) }] : [];
    });
    return {
      label: student.variant.label,
      points: known.map(({ at, mean }) => [at, mean] as const),
      deviation: known.map(({ deviation }) => deviation),
      style: { symbol: 'circle' },
    };
  });
  return [
    {
      name: `table5-budget-${metric}`,
      title: `The order against the budget: ${what}`,
      caption: `Mean ${what} of the six students over the steps of their training, shaded by the standard deviation over seeds.`,
      svg: lineFigure({
        title: `${what} of the ablation’s students over training steps`,
        x: { name: 'training steps', logarithmic: true, ticks: milestones },
        y: { name: what },
        lines,
      }),
    },
  ];
}

function meanAndDeviation(values: readonly number[]) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance) };
}
