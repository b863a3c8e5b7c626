import { join, resolve } from 'node:path';
import type { Denoiser } from '../conditions/denoiser';
import { exportDiffusers } from '../export/export-diffusers';
import { type ExportedModel, exportLdm } from '../export/export-ldm';
import { exportOnnx } from '../export/export-onnx';
import { checkWritable } from '../files/atomic-file';
import { type AnyFirstStage, openFirstStageWeights } from '../files/first-stage-file';
import { type DiffusionMetadata, loadDiffusionModel, loadFirstStage } from '../files/weights-file';
import { firstStageWeights, modelWeights, openProjectModel } from '../training/run-stages';
import { UserError } from '../user-error';
import { type ProjectOptions, say, withBackend, withProject } from './context';

export const EXPORT_FORMATS = ['ldm', 'diffusers', 'onnx'] as const;

export type ExportOptions = Partial<ProjectOptions> & {
  readonly model: string;
  readonly format: (typeof EXPORT_FORMATS)[number];
  readonly weights?: string;
  readonly firstStage?: string;
  /** ONNX: give the gate values, too. */
  readonly gates?: boolean;
  /** A folder. */
  readonly output?: string;
};

/** `sd export --config FILE --model NAME --format FORMAT`: writes a finished model as other programs read it. */
export async function exportModel(options: ExportOptions): Promise<void> {
  const { config, weights, firstStage, output, format, gates } = options;
  if (gates && format !== 'onnx') throw new UserError('--gates goes with --format onnx');
  if (config !== undefined) {
    return withProject({ ...options, config }, (context) => {
      const file = weights ?? modelWeights(context, options.model);
      const stage = firstStage ?? firstStageWeights(context);
      return run(options, {
        open: () => openProjectModel(context, options.model, file),
        openFirstStage: () => openFirstStageWeights(stage, context.config.firstStage.model),
        folder: resolve(output ?? join(context.folder.stage(options.model).path, `export-${format}`)),
      });
    });
  }
  if (weights === undefined || firstStage === undefined || output === undefined) {
    throw new UserError('export: give --config, or --weights, --first-stage and --output');
  }
  await withBackend(options.backend ?? 'auto', () =>
    run(options, {
      open: () => loadDiffusionModel(weights),
      openFirstStage: () => loadFirstStage(firstStage),
      folder: resolve(output),
    }),
  );
}

type Source = {
  readonly open: () => Promise<{ readonly denoiser: Denoiser; readonly metadata: DiffusionMetadata }>;
  readonly openFirstStage: () => Promise<AnyFirstStage>;
  readonly folder: string;
};

async function run({ format, half, gates }: ExportOptions, { open, openFirstStage, folder }: Source): Promise<void> {
  await checkWritable(folder, 0);
  const { denoiser, metadata } = await open();
  const { unet } = denoiser;
  const owned: { dispose(): void }[] = [denoiser];
  try {
    const autoencoder = await openFirstStage();
    owned.push(autoencoder);
    const { classEmbedder } = denoiser;
    const model: ExportedModel = {
      unet,
      classEmbedder,
      autoencoder,
      metadata,
      precision: half ? 'float16' : 'float32',
    };
    const { files, notes } = await (format === 'ldm'
      ? exportLdm(folder, model)
      : format === 'diffusers'
        ? exportDiffusers(folder, model)
        : exportOnnx(folder, model, { gates: gates ?? false }));
    if (classEmbedder && format !== 'ldm') {
      say(
        'the embedding of classes is not in it: encoder_hidden_states takes rows of cond_stage_model.embedding.weight',
      );
    }
    for (const note of notes) say(note);
    for (const file of files) say(file);
  } finally {
    for (const one of owned) one.dispose();
  }
}
