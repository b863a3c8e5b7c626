import type { StageFolder } from '../config/run-folder';
import { interruptedExitCode } from '../console/interrupt';
import { duration } from '../console/progress';
import type { TrainLoopResult } from '../training/train-loop';
import { say } from './context';

/** Says how a training ended and what to do next. */
export function sayResult({ steps, interrupted, seconds }: TrainLoopResult, folder: StageFolder): void {
  if (interrupted) {
    say(`stopped after ${steps} steps; ${folder.checkpoint} holds everything: go on with --resume`);
    process.exitCode = interruptedExitCode();
  } else {
    say(`${steps} steps in ${duration(seconds)}; ${folder.weights}`);
  }
}
