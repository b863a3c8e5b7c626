import { constants } from 'node:os';

type Interruption = 'SIGINT' | 'SIGTERM';

let received: Interruption = 'SIGINT';

/**
 * Turns Ctrl-C (SIGINT) and SIGTERM into an abort: the job finishes its step, saves what it has and returns. A second one
 * leaves at once. @param message says what happens now.
 */
export function interruptSignal(message = 'stopping after this step; once more to leave at once'): {
  readonly signal: AbortSignal;
  stop(): void;
} {
  const controller = new AbortController();
  const handler = (name: Interruption) => {
    received = name;
    if (controller.signal.aborted) process.exit(interruptedExitCode());
    process.stderr.write(`\n${message}\n`);
    controller.abort();
  };
  process.on('SIGINT', handler);
  process.on('SIGTERM', handler);
  return {
    signal: controller.signal,
    stop: () => {
      process.off('SIGINT', handler);
      process.off('SIGTERM', handler);
    },
  };
}

/** What shells expect of a process that a signal ended: 130 after SIGINT, 143 after SIGTERM. */
export function interruptedExitCode(): number {
  return 128 + constants.signals[received];
}
