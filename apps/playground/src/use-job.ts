import { useCallback, useRef, useState } from 'preact/hooks';
import { keepOffline } from './keep-offline';
import type { Progress } from './protocol';

export type JobState = {
  readonly running: boolean;
  readonly progress: Progress | undefined;
  /** Seconds that are left at the pace so far; undefined before there is one. */
  readonly secondsLeft: number | undefined;
  readonly error: string | undefined;
};

export type Job = JobState & {
  /** Runs work of the worker; a run that is not over yet is forgotten. @returns undefined where it failed or was stopped. */
  run<T>(work: (onProgress: (done: number, total: number) => void) => Promise<T>): Promise<T | undefined>;
  fail(message: string): void;
};

const IDLE: JobState = { running: false, progress: undefined, secondsLeft: undefined, error: undefined };

export function useJob(): Job {
  const [state, setState] = useState<JobState>(IDLE);
  const current = useRef(0);

  const run = useCallback(async <T>(work: (onProgress: (done: number, total: number) => void) => Promise<T>) => {
    const own = ++current.current;
    const isCurrent = () => own === current.current;
    let began: number | undefined;
    let over = false; // progress comes through a port of its own, and can arrive after the result
    setState({ ...IDLE, running: true });
    try {
      const result = await work((done, total) => {
        if (over || !isCurrent()) return;
        const now = performance.now();
        began ??= now; // the first step also compiles kernels, and says nothing about the pace
        const secondsLeft = done > 1 ? ((now - began) / (done - 1) / 1000) * (total - done) : undefined;
        setState({ running: true, progress: { done, total }, secondsLeft, error: undefined });
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
  }, []);

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
