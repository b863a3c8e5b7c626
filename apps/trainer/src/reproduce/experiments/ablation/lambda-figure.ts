import { type FigureLine, lineFigure } from '../../figures/line-figure';
import type { DrawnFigure } from '../../reproduction-result';
import { LAMBDA_SERIES } from './ablation-variants';
import type { MeasuredStudent } from './measured-student';

/** The student that has the gates and no teacher: what a lambda of 0 leaves. */
const UNTAUGHT = 'wg';

/** Distances over the lambdas of both terms, of one seed; nothing where fewer than two lambdas of a series are measured. */
export function lambdaFigure(students: readonly MeasuredStudent[], seed: number, at: number): readonly DrawnFigure[] {
  const distance = (name: string) =>
    students
      .find(({ variant }) => variant.name === name)
      ?.runs.find((one) => one.seed === seed)
      ?.at.get(at)?.frechet;
  const series = LAMBDA_SERIES.map(
    ({ label, students: members }): FigureLine => ({
      label,
      points: members.flatMap(({ lambda, name }) => {
        const value = distance(name);
        return value === undefined ? [] : [[lambda, value] as const];
      }),
      style: { symbol: 'circle' },
    }),
  ).filter(({ points }) => points.length > 1);
  if (series.length === 0) return [];
  const lambdas = series.flatMap(({ points }) => points.map(([lambda]) => lambda));
  const untaught = distance(UNTAUGHT);
  const level =
    untaught === undefined
      ? []
      : [Math.min(...lambdas), Math.max(...lambdas)].map((lambda) => [lambda, untaught] as const);
  return [
    {
      name: 'table5-lambda',
      title: 'The weight of the distillation',
      caption: `Fréchet distance after ${at} steps, of seed ${seed}, over the lambda that both terms have; a level line for Lite + WG, which has no teacher.`,
      svg: lineFigure({
        title: 'Fréchet distance over lambda',
        x: { name: 'lambda of both terms', logarithmic: true },
        y: { name: 'Fréchet distance' },
        lines: [
          ...series,
          ...(level.length > 0 ? [{ label: 'no teacher', points: level, style: { dash: [2, 3] } }] : []),
        ],
      }),
    },
  ];
}
