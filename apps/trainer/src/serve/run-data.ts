import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { StageFolder } from '../config/run-folder';
import type { Evaluation } from '../evaluation/evaluation';
import { EVALUATION_FILE, readEvaluation } from '../evaluation/evaluation-file';
import type { GateCurve, Spectrum } from '../report/report-data';
import { type MetricsRow, readMetrics } from '../training/metrics-log';
import { UserError } from '../user-error';

/** Grids of a stage that are shown, the last ones. */
const SHOWN_GRIDS = 6;

/** One trained thing of a run, as far as it has come. */
export type StageData = {
  readonly name: string;
  readonly rows: readonly MetricsRow[];
  /** When its log was last written, in milliseconds; null without a log. */
  readonly changed: number | null;
  /** Are its weights there, written after the last step that was logged? */
  readonly isFinished: boolean;
  /** Names of PNG files, the last first. */
  readonly grids: readonly string[];
  readonly spectra?: { readonly generated: Spectrum; readonly data: Spectrum };
  readonly gates: readonly GateCurve[];
  readonly evaluation?: Evaluation;
};

export type RunData = { readonly name: string; readonly stages: readonly StageData[] };

/**
 * Reads what a run has written so far: the folder of a project, or of one of its models.
 * @throws {UserError} where there is no such folder, or nothing of a run in it.
 */
export async function readRun(path: string): Promise<RunData> {
  const root = resolve(path);
  const isFolder = await stat(root).then(
    (status) => status.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new UserError(`serve: there is no folder ${root}`);
  const entries = await readdir(root, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(root, name));
  const candidates = [root, ...folders.sort()];
  const stages: StageData[] = [];
  for (const folder of candidates) {
    const stage = await readStage(folder);
    if (stage) stages.push(stage);
  }
  if (stages.length === 0) {
    throw new UserError(`serve: nothing of a run in ${root}: give a project's out, or the folder of one of its models`);
  }
  return { name: basename(root), stages };
}

/** The folder of a stage, by the name that `readRun` gave it; undefined for any other. */
export async function stageFolder(path: string, name: string): Promise<StageFolder | undefined> {
  const { stages } = await readRun(path);
  if (!stages.some((stage) => stage.name === name)) return undefined;
  const root = resolve(path);
  return new StageFolder(name === basename(root) && (await readStage(root)) ? root : join(root, name));
}

async function readStage(folder: string): Promise<StageData | undefined> {
  const stage = new StageFolder(folder);
  const writtenAt = (path: string) =>
    stat(path).then(
      (status) => status.mtimeMs,
      () => null,
    );
  const [changed, finished] = [await writtenAt(stage.metrics), await writtenAt(stage.weights)];
  const evaluation = await readEvaluation(join(folder, EVALUATION_FILE)).catch(() => undefined);
  if (changed === null && !evaluation) return undefined;
  const files = await readdir(stage.snapshots).catch(() => []);
  const { spectra, gates } = await readSnapshot(stage.snapshot);
  return {
    name: basename(folder),
    rows: await readMetrics(stage.metrics),
    changed,
    isFinished: changed !== null && finished !== null && finished >= changed,
    grids: files
      .filter((name) => /^step-\d+\.png$/.test(name))
      .sort()
      .reverse()
      .slice(0, SHOWN_GRIDS),
    ...(spectra ? { spectra } : {}),
    gates: gates ?? [],
    ...(evaluation ? { evaluation } : {}),
  };
}

async function readSnapshot(
  path: string,
): Promise<Pick<StageData, 'spectra'> & { readonly gates?: readonly GateCurve[] }> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return {}; // none yet
  }
}
