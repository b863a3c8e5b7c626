import type { Finished } from './run';

export type Outcome = {
  readonly status: 'pass' | 'FAIL' | 'skip';
  /** Why it failed or was skipped; printed below its line. */
  readonly detail?: string;
};

export type Task = {
  readonly name: string;
  /** Names of tasks that must have passed before. */
  readonly needs?: readonly string[];
  run(): Promise<Outcome>;
};

export type Summary = { readonly passed: number; readonly failed: number; readonly skipped: number };

export const pass: Outcome = { status: 'pass' };
export const fail = (detail: string): Outcome => ({ status: 'FAIL', detail });
export const skip = (detail: string): Outcome => ({ status: 'skip', detail });

/** Passes if the program ended with status 0; else its output is the detail. */
export function outcomeOf({ status, output }: Finished): Outcome {
  return status === 0 ? pass : fail(`${output.trimEnd()}\n(exit status ${status})`);
}

/** Passes if there are no problems; else they are the detail. */
export function outcomeOfProblems(problems: readonly string[]): Outcome {
  return problems.length === 0 ? pass : fail(problems.join('\n'));
}

/**
 * Runs all tasks, `concurrency` at a time and in order as far as their needs allow, and prints a line for each. A task
 * whose needs failed counts as failed.
 */
export async function runTasks(tasks: readonly Task[], concurrency: number): Promise<Summary> {
  const waiting = [...tasks];
  const settled = new Map<string, Outcome['status']>();
  const names = new Set(tasks.map(({ name }) => name));
  for (const { name, needs = [] } of tasks) {
    const unknown = needs.find((need) => !names.has(need));
    if (unknown !== undefined) throw new Error(`${name} needs ${unknown}, which is no task`);
  }

  async function settle(task: Task): Promise<void> {
    const started = performance.now();
    const outcome = await task
      .run()
      .catch((error: unknown) => fail(String(error instanceof Error ? error.stack : error)));
    report(task.name, outcome, (performance.now() - started) / 1000);
  }
  function report(name: string, { status, detail }: Outcome, seconds: number): void {
    settled.set(name, status);
    const lines = detail?.split('\n') ?? [];
    console.log(`${status}  ${name}  (${seconds.toFixed(1)} s)${lines.length === 1 ? `: ${detail}` : ''}`);
    if (detail !== undefined && lines.length > 1) console.log(detail.replace(/^/gm, '      '));
  }

  const running = new Set<Promise<void>>();
  while (waiting.length > 0 || running.size > 0) {
    for (const task of [...waiting]) {
      const needs = task.needs ?? [];
      const lost = needs.find((need) => settled.get(need) === 'FAIL');
      const ready = needs.every((need) => settled.has(need));
      if (lost === undefined && (!ready || running.size >= concurrency)) continue;
      waiting.splice(waiting.indexOf(task), 1);
      if (lost !== undefined) {
        report(task.name, fail(`not run, because "${lost}" failed`), 0);
        continue;
      }
      const promise: Promise<void> = settle(task).finally(() => running.delete(promise));
      running.add(promise);
    }
    if (running.size > 0) await Promise.race(running);
    else if (
      waiting.length > 0 &&
      !waiting.some(({ needs = [] }) => needs.some((need) => settled.get(need) === 'FAIL'))
    ) {
      throw new Error(`these tasks need each other: ${waiting.map(({ name }) => name).join(', ')}`);
    }
  }
  const count = (wanted: Outcome['status']) => [...settled.values()].filter((status) => status === wanted).length;
  return { passed: count('pass'), failed: count('FAIL'), skipped: count('skip') };
}

/** `3 passed, 1 failed`, and what was skipped. */
export function summaryLine({ passed, failed, skipped }: Summary): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
