import { z } from 'zod';
import type { TrainingConfig } from '../config/schema';

/** Good steps before a loss can be called a spike. */
const SETTLED = 20;
/** Of the running mean of the losses. */
const DECAY = 0.98;
/** Bad steps in a row that no skipping mends. */
const MOST_IN_A_ROW = 10;
/** The smallest share of the learning rate that halving goes down to. */
const LEAST_RATE = 2 ** -10;

const stateSchema = z.object({
  mean: z.number(),
  good: z.number(),
  inARow: z.number(),
  skipped: z.number(),
  rateFactor: z.number(),
});

type State = z.infer<typeof stateSchema>;

/** What to do with a step: take it, leave it out, or end the run; the last two with a reason. */
export type Verdict = { readonly action: 'take' } | { readonly action: 'skip' | 'stop'; readonly reason: string };

/**
 * Looks at the loss of every step before it is taken. A loss or a gradient that is not finite, and, with `spikeFactor`, a
 * loss so many times the running mean, is bad: the run stops, the step is left out, or it is left out and the learning rate
 * halved, as `onBadLoss` says. Ten in a row, or a rate of less than a thousandth, end the run in any case.
 */
export class LossGuard {
  #state: State = { mean: 0, good: 0, inARow: 0, skipped: 0, rateFactor: 1 };

  constructor(private readonly training: Pick<TrainingConfig, 'onBadLoss' | 'spikeFactor'>) {}

  /** Must every step be looked at? It costs a synchronization with the device. */
  get isActive(): boolean {
    return this.training.onBadLoss !== 'stop' || this.training.spikeFactor !== undefined;
  }

  /** What the learning rate is multiplied by. */
  get rateFactor(): number {
    return this.#state.rateFactor;
  }

  /** Steps left out so far. */
  get skipped(): number {
    return this.#state.skipped;
  }

  judge(loss: number, gradientNorm: number): Verdict {
    const fault = this.#faultOf(loss, gradientNorm);
    if (fault === undefined) {
      const { mean, good } = this.#state;
      this.#state.mean = good === 0 ? loss : DECAY * mean + (1 - DECAY) * loss;
      this.#state.good++;
      this.#state.inARow = 0;
      return { action: 'take' };
    }
    if (this.training.onBadLoss === 'stop') return { action: 'stop', reason: fault };
    this.#state.inARow++;
    this.#state.skipped++;
    if (this.#state.inARow >= MOST_IN_A_ROW) {
      return { action: 'stop', reason: `${fault}, the ${MOST_IN_A_ROW}th such step in a row` };
    }
    if (this.training.onBadLoss === 'skip') return { action: 'skip', reason: `${fault}; left out` };
    this.#state.rateFactor /= 2;
    if (this.#state.rateFactor < LEAST_RATE) {
      return { action: 'stop', reason: `${fault}, and the learning rate was halved ten times already` };
    }
    return {
      action: 'skip',
      reason: `${fault}; left out, the learning rate is ${this.#state.rateFactor} of its plan now`,
    };
  }

  #faultOf(loss: number, gradientNorm: number): string | undefined {
    if (!Number.isFinite(loss + gradientNorm)) return `the loss is ${loss} and the gradient's norm ${gradientNorm}`;
    const { spikeFactor } = this.training;
    const { mean, good } = this.#state;
    if (spikeFactor === undefined || good < SETTLED || loss <= spikeFactor * mean) return undefined;
    return `the loss is ${loss.toPrecision(3)}, ${(loss / mean).toPrecision(3)} times its mean`;
  }

  toJSON(): State {
    return { ...this.#state };
  }

  /** Takes what a checkpoint has of `toJSON`; what is none is left alone, as a run without a guard leaves none. */
  restore(value: unknown): void {
    const parsed = stateSchema.safeParse(value);
    if (parsed.success) this.#state = parsed.data;
  }
}
