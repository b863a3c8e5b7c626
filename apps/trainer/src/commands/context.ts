import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type BackendName, releaseBackend, useBackend } from '@sd/backend';
import { registerWebGPUKernels } from '@sd/webgpu';
import pc from 'picocolors';
import { loadConfig } from '../config/load-config';
import { RunFolder, type StageFolder } from '../config/run-folder';
import type { ProjectConfig } from '../config/schema';
import { interruptSignal } from '../console/interrupt';
import { ipcProgress, PROGRESS_BY_IPC } from '../console/ipc-progress';
import { type OpenProgress, openProgressBar } from '../console/progress';
import type { StageContext } from '../training/run-stages';
import { UserError } from '../user-error';

/** Options that every command on a project takes. */
export type ProjectOptions = {
  readonly config: string;
  readonly out?: string;
  readonly backend?: BackendName | 'auto';
  readonly seed?: number;
  readonly resume?: boolean;
  /** Start anew where there is a checkpoint. */
  readonly overwrite?: boolean;
  /** Write float16 weights. */
  readonly half?: boolean;
};

/** Lines for people go to stderr, so that stdout holds results alone. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Reads a project, starts its backend, runs a command and lets everything go again. */
export async function withProject(
  options: ProjectOptions,
  run: (context: StageContext & { readonly signal: AbortSignal }) => Promise<void>,
): Promise<void> {
  const loaded = await loadConfig(options.config);
  const config: ProjectConfig = {
    ...loaded,
    ...(options.out === undefined ? {} : { out: resolve(options.out) }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  };
  return withBackend(options.backend ?? config.backend, async () => {
    const { signal, stop } = interruptSignal();
    try {
      const folder = new RunFolder(config.out);
      await run({
        config,
        folder,
        resume: options.resume ?? false,
        precision: options.half ? 'float16' : 'float32',
        openProgress: openProgress(),
        signal,
        report: say,
      });
    } finally {
      stop();
    }
  });
}

function openProgress(): OpenProgress {
  return process.env[PROGRESS_BY_IPC] ? ipcProgress() : openProgressBar;
}

/**
 * Hours of training are not lost to a forgotten flag.
 * @throws {UserError} where a checkpoint would be overwritten that nobody asked to continue or to replace.
 */
export function refuseToOverwrite(folder: StageFolder, { resume, overwrite }: ProjectOptions): void {
  if (resume && overwrite)
    throw new UserError('--resume continues a training and --overwrite starts anew: give one of them');
  if (resume || overwrite || !existsSync(folder.checkpoint)) return;
  throw new UserError(`${folder.checkpoint} exists: continue from it with --resume, or start anew with --overwrite`);
}

/** Starts a backend, says which and why, and releases it, without which the process would not end. */
export async function withBackend<T>(name: BackendName | 'auto', run: (explanation: string) => Promise<T>): Promise<T> {
  const { explanation, name: started } = await useBackend(name);
  if (started === 'webgpu') await registerWebGPUKernels();
  say(pc.dim(explanation));
  try {
    return await run(explanation);
  } finally {
    await releaseBackend();
  }
}
