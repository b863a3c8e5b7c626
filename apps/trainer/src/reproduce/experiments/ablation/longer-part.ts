import { formatCount } from '../../../report/format';
import { type FigureLine, lineFigure } from '../../figures/line-figure';
import type { DrawnFigure, ResultTable } from '../../reproduction-result';
import { DIGITS, type MeasuredStudent, signed } from './measured-student';

/** Students of one seed that were trained longer than the others of that seed. */
export type LongerStudents = {
  readonly seed: number;
  readonly steps: number;
  readonly milestones: readonly number[];
  readonly students: readonly MeasuredStudent[];
};

type Part = {
  readonly figures: readonly DrawnFigure[];
  readonly tables: readonly ResultTable[];
  readonly findings: readonly string[];
};

const NOTHING: Part = { figures: [], tables: [], findings: [] };

/**
 * The students that were trained longer, beside the same ones with the budget of all.
 * @param students of that budget, of all seeds.
 */
export function longerPart(
  longer: LongerStudents | undefined,
  students: readonly MeasuredStudent[],
  milestones: readonly number[],
): Part {
  const began = longer?.students.filter(({ runs: [{ at }] }) => at.size > 0) ?? [];
  if (!longer || began.length === 0) return NOTHING;
  const { seed, steps } = longer;
  const usual = milestones[milestones.length - 1];
  const short = students.filter(({ variant: { name } }) => began.some(({ variant }) => variant.name === name));
  const title = `${formatCount(steps)} steps instead of ${formatCount(usual)}`;
  return {
    figures: [
      {
        name: 'table5-longer',
        title,
        caption: `Fréchet distance over the steps of training, of seed ${seed}: students that were trained for ${formatCount(steps)} steps and, dashed, the same ones trained for ${formatCount(usual)}.`,
        svg: lineFigure({
          title: `Fréchet distance of the longer trainings`,
          x: { name: 'training steps', logarithmic: true, ticks: spread([...milestones, ...longer.milestones]) },
          y: { name: 'Fréchet distance' },
          lines: [...curves(began, seed, steps, []), ...curves(short, seed, usual, [5, 3])],
        }),
      },
    ],
    tables: [
      {
        title,
        note: `Fréchet distance of students of seed ${seed} over the steps of one training, and how far each is from the first.`,
        columns: ['student', ...longer.milestones.map((at) => `after ${at} steps`)],
        rows: began.map(({ variant, runs: [{ at: own }] }, i) => [
          variant.label,
          ...longer.milestones.map((at) => {
            const value = own.get(at)?.frechet;
            if (value === undefined) return null;
            const first = i > 0 ? began[0].runs[0].at.get(at)?.frechet : undefined;
            const difference = first === undefined ? '' : ` (${signed(value - first, DIGITS.frechet)})`;
            return value.toFixed(DIGITS.frechet) + difference;
          }),
        ]),
      },
    ],
    findings: comparison(longer, began, students, usual),
  };
}

/** Without those that would be drawn over their neighbor. */
function spread(values: readonly number[]): number[] {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  return sorted.filter((value, i) => i === 0 || value >= 1.5 * sorted[i - 1]);
}

function curves(students: readonly MeasuredStudent[], seed: number, steps: number, dash: number[]): FigureLine[] {
  return students.map(({ variant, runs }, i) => ({
    label: `${variant.label}, ${formatCount(steps)} steps`,
    points: [...(runs.find((one) => one.seed === seed)?.at ?? [])].map(([at, { frechet }]) => [at, frechet] as const),
    style: { symbol: 'circle' as const, dash, color: COLORS[i % COLORS.length] },
  }));
}

const COLORS = ['#0072b2', '#d55e00', '#009e73'];

/** What each student differs from the first by, at the last steps that all have reached, and with the usual budget. */
function comparison(
  { milestones, seed }: LongerStudents,
  began: readonly MeasuredStudent[],
  students: readonly MeasuredStudent[],
  usual: number,
): string[] {
  const at = milestones.filter((steps) => began.every(({ runs: [one] }) => one.at.has(steps))).at(-1);
  if (at === undefined || began.length < 2) return [];
  const longer = (student: MeasuredStudent) => student.runs[0].at.get(at)?.frechet ?? Number.NaN;
  const short = (name: string) =>
    students
      .find(({ variant }) => variant.name === name)
      ?.runs.find((one) => one.seed === seed)
      ?.at.get(usual)?.frechet;
  const [first, ...others] = began;
  const reference = short(first.variant.name);
  const differences = others.map((student) => {
    const own = short(student.variant.name);
    const before =
      own === undefined || reference === undefined
        ? ''
        : `, where ${formatCount(usual)} steps gave ${signed(own - reference, DIGITS.frechet)}`;
    return `${student.variant.label}: ${signed(longer(student) - longer(first), DIGITS.frechet)}${before}`;
  });
  const whole =
    at === milestones.at(-1) ? '' : `, in the midst of a training of ${formatCount(milestones[milestones.length - 1])}`;
  return [
    `After ${formatCount(at)} steps${whole}, of seed ${seed} alone, ${first.variant.label} is at ${longer(first).toFixed(DIGITS.frechet)}, and the others differ from it by: ${differences.join('; ')}.`,
  ];
}
