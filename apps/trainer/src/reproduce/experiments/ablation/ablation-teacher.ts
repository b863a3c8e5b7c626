import { existsSync } from 'node:fs';
import { RunFolder } from '../../../config/run-folder';
import { modelWeights, runModel } from '../../../training/run-stages';
import type { Piece } from '../../pieces';
import type { ReproductionContext } from '../../reproduction';
import type { AblationData } from './ablation-data';
import type { AblationSetting } from './ablation-setting';
import { type Measured, measureModel } from './ablation-student';

/** Of the teacher's piece. */
export const TEACHER = 'teacher';

/** Trains the teacher, where it is not given, and measures it as the students are. */
export function teacherPiece(
  context: ReproductionContext,
  setting: AblationSetting,
  data: AblationData,
): Piece<Measured> {
  const { project, size, trainsTeacher } = setting;
  const { weights: _, checkpointEvery: __, ...model } = project.models.teacher;
  const { latents, firstStage } = data;
  const { samples, samplingSteps, references } = size;
  const settings = { model: trainsTeacher ? model : 'shipped', seed: context.seed, latents, firstStage };
  return {
    name: TEACHER,
    settings: { ...settings, samples, samplingSteps, references },
    compute: async () => {
      const run = { config: project, folder: new RunFolder(setting.folder) };
      const stage = run.folder.stage(TEACHER);
      let seconds = 0;
      if (trainsTeacher && !existsSync(stage.weights)) {
        const { openProgress, signal, report } = context;
        const training = { ...run, resume: existsSync(stage.checkpoint), precision: 'float16' } as const;
        const result = await runModel({ ...training, openProgress, signal, report }, TEACHER, data.values);
        if (result.interrupted) throw signal.reason;
        seconds = result.seconds;
      }
      return { ...(await measureModel(context, setting, data, modelWeights(run, TEACHER), context.seed)), seconds };
    },
  };
}
