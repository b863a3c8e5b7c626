/**
 * A linear combination of what a step of a sampler may look at, by coefficients. All samplers are linear in these:
 * a step is a few combinations, its equation is written with them as in its paper, and everything is folded in float64
 * before a tensor is made.
 */
export type Combination = {
  /** x before the step. */
  readonly x?: number;
  /** The model's output. */
  readonly output?: number;
  /** The predicted x_0, clipped where the scheduler clips. */
  readonly sample?: number;
  /** A draw of standard normal noise. */
  readonly noise?: number;
  /** What the step before has left, in its order. */
  readonly memory?: readonly number[];
};

export const X: Combination = { x: 1 };
export const OUTPUT: Combination = { output: 1 };
export const SAMPLE: Combination = { sample: 1 };
export const NOISE: Combination = { noise: 1 };

/** The k-th tensor of the memory, k = 0, 1, ... */
export function memory(k: number): Combination {
  return { memory: [...new Array<number>(k).fill(0), 1] };
}

/** A coefficient and what it multiplies. */
export type CombinationTerm = readonly [number, Combination];

/** sum_i c_i y_i; what is multiplied by 0 is left out, even where it is infinite. */
export function sum(...terms: readonly CombinationTerm[]): Combination {
  const used = terms.filter(([coefficient]) => coefficient !== 0);
  const total = (part: (of: Combination) => number) =>
    used.reduce((result, [coefficient, of]) => {
      const value = part(of);
      return value === 0 ? result : result + coefficient * value;
    }, 0);
  const slots = Math.max(0, ...used.map(([, of]) => of.memory?.length ?? 0));
  return {
    x: total((of) => of.x ?? 0),
    output: total((of) => of.output ?? 0),
    sample: total((of) => of.sample ?? 0),
    noise: total((of) => of.noise ?? 0),
    memory: Array.from({ length: slots }, (_, k) => total((of) => of.memory?.[k] ?? 0)),
  };
}
