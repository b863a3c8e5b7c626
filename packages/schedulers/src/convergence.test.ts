import { describe, expect, test } from 'vitest';
import { schedulerFromConfig } from './scheduler-from-config';
import { samplePlan } from './test-fixtures';

// Order of convergence on a linear problem with a known solution. For data x_0 ~ N(0, v) the best model is linear, and
// the probability flow keeps x / sqrt(signal^2 v + noise^2) constant (Song et al. 2021): a run from sigma_a to sigma_b
// must multiply x by the ratio of the two, up to an error of h^order. Plans are carried out in float64; a wrong coefficient
// of any kind shows as a lower order. Solvers that remember begin with steps of lower order, which would be all that is
// seen: their first three steps are put right.

const VARIANCE = 0.3;
const [FIRST, LAST] = [5, 0.2];

const spread = ({ signal, noise }: { readonly signal: number; readonly noise: number }) =>
  Math.sqrt(signal ** 2 * VARIANCE + noise ** 2);

type Solver = {
  readonly name: string;
  readonly order: number;
  readonly config: Readonly<Record<string, unknown>>;
  readonly flow?: boolean;
  /** What is put right in the first steps: x, or also the x that the memory begins with. */
  readonly exactStart?: 'x' | 'x and memory';
};

/** The error of a run of S steps between two sigmas, equally spaced in log(sigma). */
function errorOf({ config, flow = false, exactStart }: Solver, steps: number): number {
  const scheduler = schedulerFromConfig(config);
  const ratios = Array.from({ length: steps + 1 }, (_, i) => FIRST * (LAST / FIRST) ** (i / steps));
  const sigmas = flow ? ratios.map((ratio) => ratio / (1 + ratio)) : ratios;
  // The plan is cut where it would go on from LAST to its own end.
  const plan = scheduler.plan({ sigmas }).filter(({ level }) => level.noise / level.signal > LAST * (1 + 1e-9));
  let call = 0;
  const [{ level: first }] = plan;
  const x = samplePlan({
    plan,
    x: Float64Array.of(spread(first)),
    // The output that stands for E[x_0 | x] = signal v x / (signal^2 v + noise^2).
    model: (input) => {
      const { level, toSample, inputScale = 1 } = plan[call++];
      const x0 = (level.signal * VARIANCE * input[0]) / inputScale / spread(level) ** 2;
      return Float64Array.of((x0 - (toSample.x * input[0]) / inputScale) / toSample.output);
    },
    noise: () => [0],
    onStep(after, memory, index) {
      if (exactStart === undefined || index >= 3) return;
      after[0] = spread(plan[index].nextLevel);
      if (exactStart === 'x and memory') memory[0][0] = spread(plan[index].level);
    },
  });
  const { nextLevel } = plan[plan.length - 1];
  return Math.abs(x[0] / spread(nextLevel) - 1);
}

/** log2 of how much smaller the error is with twice the steps. */
const orderOf = (solver: Solver, steps: number) => Math.log2(errorOf(solver, steps) / errorOf(solver, 2 * steps));

const whole = { final_sigmas_type: 'sigma_min', lower_order_final: false };

const dpmSolvers = ['DPMSolverMultistepScheduler', 'DPMSolverSinglestepScheduler'].flatMap((_class_name) =>
  ['dpmsolver++', 'dpmsolver'].flatMap((algorithm_type) =>
    [
      [1, 'heun'],
      [2, 'midpoint'],
      [2, 'heun'],
      [3, 'heun'],
    ].map(([order, solver_type]): Solver => {
      const config = { ...whole, _class_name, algorithm_type, solver_order: order, solver_type };
      const name = `${_class_name} ${algorithm_type} ${solver_type}`;
      if (_class_name.includes('Single')) return { name, order: Number(order), config };
      return { name, order: Math.min(Number(order), 2), config, exactStart: 'x' }; // see dpm-solver-multistep.ts
    }),
  ),
);

const solvers: readonly Solver[] = [
  { name: 'Euler', order: 1, config: { _class_name: 'EulerDiscreteScheduler' } },
  { name: 'Heun', order: 2, config: { _class_name: 'HeunDiscreteScheduler' } },
  { name: 'KDPM2', order: 2, config: { _class_name: 'KDPM2DiscreteScheduler' } },
  { name: 'LMS', order: 4, config: { _class_name: 'LMSDiscreteScheduler' }, exactStart: 'x' },
  { name: 'EDM Euler', order: 1, config: { _class_name: 'EDMEulerScheduler' } },
  { name: 'flow Euler', order: 1, config: { _class_name: 'FlowMatchEulerDiscreteScheduler' }, flow: true },
  { name: 'flow Heun', order: 2, config: { _class_name: 'FlowMatchHeunDiscreteScheduler' }, flow: true },
  ...dpmSolvers,
  ...[1, 2, 3].flatMap((order): Solver[] => [
    {
      name: 'DEIS',
      order,
      config: { ...whole, _class_name: 'DEISMultistepScheduler', solver_order: order },
      exactStart: 'x',
    },
    {
      name: `EDM DPM-Solver++ (${order})`,
      order: Math.min(order, 2),
      config: { ...whole, _class_name: 'EDMDPMSolverMultistepScheduler', solver_order: order, solver_type: 'heun' },
      exactStart: 'x',
    },
  ]),
  // The correctors of UniPC and SA-Solver add an order; without noise (tau = 0) the latter solves the ODE.
  ...[1, 2, 3].flatMap((order) =>
    [true, false].flatMap((isData): Solver[] => [
      ...['bh1', 'bh2'].map((solver_type) => ({
        name: `UniPC ${solver_type} of ${isData ? 'x_0' : 'eps'}`,
        order: order + 1,
        exactStart: 'x and memory' as const,
        config: {
          ...whole,
          _class_name: 'UniPCMultistepScheduler',
          solver_order: order,
          solver_type,
          predict_x0: isData,
        },
      })),
      {
        name: `SA-Solver of ${isData ? 'x_0' : 'eps'}`,
        order: order + 1,
        exactStart: 'x and memory' as const,
        config: {
          ...whole,
          _class_name: 'SASolverScheduler',
          algorithm_type: isData ? 'data_prediction' : 'noise_prediction',
          predictor_order: order,
          corrector_order: order + 1,
          tau: 0,
        },
      },
    ]),
  ),
];

describe('order of convergence', () => {
  test.each(solvers)('$name: $order', (solver) => {
    const { order } = solver;
    const measured = orderOf(solver, 48);
    expect(measured).toBeGreaterThan(order - 0.3);
    expect(measured).toBeLessThan(order + 0.6);
  });
});
