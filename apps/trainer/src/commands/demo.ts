import { resolve } from 'node:path';
import pc from 'picocolors';
import { stringify } from 'yaml';
import { RunFolder } from '../config/run-folder';
import { interruptedExitCode, interruptSignal } from '../console/interrupt';
import { duration, openProgressBar } from '../console/progress';
import { demoConfig } from '../demo/demo-config';
import type { DemoOptions } from '../demo/demo-options';
import { demoReport } from '../demo/demo-report';
import { prepareLatents, trainStudents, trainTeacher } from '../demo/demo-stages';
import { Stopwatch } from '../demo/stopwatch';
import { writeAtomically } from '../files/atomic-file';
import { renderReport } from '../report/report';
import { say, withBackend } from './context';

/**
 * `sd demo`: a first stage, a teacher, Lite trained alone and SD distilled from the teacher, 16 samples of each from
 * the same noise, and a report. With generated images the first stage and the teacher are shipped.
 */
export async function demo(options: DemoOptions): Promise<void> {
  const out = resolve(options.out);
  const stopwatch = new Stopwatch();
  const config = demoConfig({
    out,
    seed: options.seed,
    ...(options.data === undefined ? {} : { data: { path: resolve(options.data), size: 32 } }),
  });
  await withBackend(options.backend ?? config.backend, async (explanation) => {
    const { signal, stop } = interruptSignal();
    try {
      const context = {
        config,
        folder: new RunFolder(out),
        resume: false,
        precision: 'float32' as const,
        openProgress: openProgressBar,
        signal,
      };
      const project = `${out}/project.yaml`;
      await writeAtomically(project, stringify(config));
      const { latents, dataset } = await prepareLatents(context, stopwatch);
      if (!signal.aborted) await trainTeacher(context, latents, stopwatch);
      if (!signal.aborted) await trainStudents(context, latents, project, explanation, stopwatch);
      if (signal.aborted) {
        process.exitCode = interruptedExitCode();
        return;
      }
      const report = await demoReport(context, { latents, dataset, explanation, options, stopwatch });
      await writeAtomically(`${out}/report.json`, JSON.stringify(report, null, 2));
      await writeAtomically(`${out}/report.html`, renderReport(report));
      for (const finding of report.findings) say(finding);
      say(`${pc.bold(`${out}/report.html`)}  (${duration(stopwatch.total())} in all)`);
    } finally {
      stop();
    }
  });
}
