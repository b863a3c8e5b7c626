import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type BackendInfo, type BackendName, releaseBackend, useBackend } from '@sd/backend';
import { registerWebGPUKernels } from '@sd/webgpu';
import pc from 'picocolors';
import { loadConfig } from '../config/load-config';
import { RunFolder, type StageFolder } from '../config/run-folder';
import type { ProjectConfig } from '../config/schema';
import { interruptSignal } from '../console/interrupt';
import { ipcProgress, PROGRESS_BY_IPC } from '../console/ipc-progress';
import { type OpenProgress, openProgressBar } from '../console/progress';
import { DeviceLostError } from '../training/device-watch';
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

/** What a command on a project gets. */
export type ProjectContext = StageContext & {
  readonly signal: AbortSignal;
  /** Is this a second start, after the device was lost? */
  readonly recovering: boolean;
};

/** Starts after the loss of a device, in one run. */
const MOST_RECOVERIES = 5;

/**
 * Reads a project, starts its backend, runs a command and lets everything go again. Where the device is lost while a
 * model is trained, the same backend is started again, and the command runs once more from the last checkpoint.
 */
export async function withProject(
  options: ProjectOptions,
  run: (context: ProjectContext) => Promise<void>,
): Promise<void> {
  const loaded = await loadConfig(options.config);
  const config: ProjectConfig = {
    ...loaded,
    ...(options.out === undefined ? {} : { out: resolve(options.out) }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  };
  const { signal, stop } = interruptSignal();
  try {
    await withRecovery(options.backend ?? config.backend, options.resume ?? false, ({ lost }, resume, recovering) =>
      run({
        config,
        folder: new RunFolder(config.out),
        resume,
        recovering,
        precision: options.half ? 'float16' : 'float32',
        openProgress: openProgress(),
        signal,
        report: say,
        lost,
      }),
    );
  } finally {
    stop();
  }
}

/**
 * Runs on a backend, and once more on the same one when its device is lost.
 * @param resume whether the first run goes on from a checkpoint; later ones do where there is one of the run before.
 */
export async function withRecovery(
  backend: BackendName | 'auto',
  resume: boolean,
  run: (info: BackendInfo, resume: boolean, recovering: boolean) => Promise<void>,
): Promise<void> {
  let [name, resumes] = [backend, resume];
  for (let recoveries = 0; ; recoveries++) {
    try {
      return await withBackend(name, (_, info) => {
        name = info.name;
        return run(info, resumes, recoveries > 0);
      });
    } catch (error) {
      if (!(error instanceof DeviceLostError) || recoveries === MOST_RECOVERIES) throw error;
      resumes = error.hasCheckpoint;
      say(`${error.message}; ${name} is started again, ${resumes ? 'from the last checkpoint' : 'from the beginning'}`);
    }
  }
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
export async function withBackend<T>(
  name: BackendName | 'auto',
  run: (explanation: string, info: BackendInfo) => Promise<T>,
): Promise<T> {
  const info = await useBackend(name);
  const { explanation, name: started } = info;
  if (started === 'webgpu') await registerWebGPUKernels();
  say(pc.dim(explanation));
  try {
    return await run(explanation, info);
  } finally {
    await releaseBackend();
  }
}
