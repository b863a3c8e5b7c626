import { useCallback, useRef, useState } from 'preact/hooks';
import { keepOffline } from './keep-offline';
import type { Progress } from './protocol';

/** What a job does, and in what its progress is counted. */
export type Task = { readonly label: string; readonly unit: string };

export type JobState = {
  readonly running: Task | undefined;
  readonly progress: Progress | undefined;
  /** Seconds that are left at the pace so far; undefined before there is one. */
  readonly secondsLeft: number | undefined;
  readonly error: string | undefined;
};

export type Job = JobState & {
  /** Runs work of the worker; a run that is not over yet is forgotten. @returns undefined where it failed or was stopped. */
  run<T>(task: Task, work: (onProgress: (done: number, total: number) => void) => Promise<T>): Promise<T | undefined>;
  fail(message: string): void;
};

/** Number of the last reports that the time left is reckoned from: some parts of a job are slower than others. */
const PACE_OVER = 10;

const IDLE: JobState = { running: undefined, progress: undefined, secondsLeft: undefined, error: undefined };

export function useJob(): Job {
  const [state, setState] = useState<JobState>(IDLE);
  const current = useRef(0);

  const run = useCallback(
    async <T>(task: Task, work: (onProgress: (done: number, total: number) => void) => Promise<T>) => {
      const own = ++current.current;
      const isCurrent = () => own === current.current;
      const recent: { readonly at: number; readonly done: number }[] = [];
      let over = false; // progress comes through a port of its own, and can arrive after the result
      setState({ ...IDLE, running: task });
      try {
        const result = await work((done, total) => {
          if (over || !isCurrent()) return;
          const now = performance.now();
          recent.push({ at: now, done }); // without the time to the first, in which kernels are compiled
          if (recent.length > PACE_OVER) recent.shift();
          const pace = (now - recent[0].at) / 1000 / (done - recent[0].done);
          const secondsLeft = Number.isFinite(pace) ? pace * (total - done) : undefined;
          setState({ running: task, progress: { done, total }, secondsLeft, error: undefined });
        });
        over = true;
        if (!isCurrent()) return undefined;
        setState(IDLE);
        keepOffline();
        return result;
      } catch (error) {
        over = true;
        if (!isCurrent()) return undefined;
        setState({ ...IDLE, error: messageOf(error) });
        return undefined;
      }
    },
    [],
  );

  const fail = useCallback((message: string) => {
    current.current += 1;
    setState({ ...IDLE, error: message });
  }, []);

  return { ...state, run, fail };
}

/** Undefined for a job that was stopped. */
function messageOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'AbortError' ? undefined : error.message;
}
