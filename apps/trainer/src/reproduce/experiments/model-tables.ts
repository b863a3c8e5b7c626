import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { countMacs, countParameters, presets } from '@sd/unet';
import type { Evaluation } from '../../evaluation/evaluation';
import { EVALUATION_FILE, readEvaluation } from '../../evaluation/evaluation-file';
import { formatMacs, formatParameters, formatRate, formatSignificant } from '../../report/format';
import { CLASS_CONDITIONAL, type PublishedModel, TEXT_TO_IMAGE, UNCONDITIONAL } from '../published';
import type { Reproduction, ReproductionContext } from '../reproduction';
import type { ResultTable } from '../reproduction-result';

const METHOD =
  'Parameters and MACs are counted from our configurations: convolutions and linear layers, one sample, without attention’s products, which is what the published numbers count. FIDs and steps per second of our models are those that `sd evaluate` wrote into the folder of trained models; there is none where nothing was evaluated.';

export const table2 = modelTable({
  name: 'table2',
  title: 'Table 2: sizes and FID of unconditional models',
  paper:
    'Spectral Diffusion has 8 to 18 times fewer parameters and MACs than LDM at FIDs that Lite-LDM, as slim, does not reach.',
  rows: UNCONDITIONAL,
});

export const table3 = modelTable({
  name: 'table3',
  title: 'Table 3: class-conditional ImageNet, guidance of 3.0',
  paper: 'With 9 times fewer parameters than LDM, SD has an FID of 10.6, where Lite-LDM has 20.1 (and ADM 10.9).',
  rows: CLASS_CONDITIONAL,
});

export const table4 = modelTable({
  name: 'table4',
  title: 'Table 4: text-to-image, zero-shot MS-COCO',
  paper: 'SD of 77.6 M parameters has an FID of 18.87, LDM with guidance one of 12.6.',
  rows: TEXT_TO_IMAGE,
});

function modelTable({
  rows,
  ...words
}: Pick<Reproduction, 'name' | 'title' | 'paper'> & { readonly rows: readonly PublishedModel[] }): Reproduction {
  return {
    ...words,
    method: METHOD,
    async run(context) {
      const ours = rows.map(({ preset }) => ({
        preset,
        parameters: countParameters(presets[preset]),
        macs: countMacs(presets[preset]),
      }));
      const evaluations = await evaluationsIn(context);
      return {
        settings: {},
        values: { ours, evaluations: evaluations.map(({ spectra: _, ...facts }) => facts) },
        figures: [],
        tables: [publishedTable(rows, ours, evaluations), ...(evaluations.length > 0 ? [runTable(evaluations)] : [])],
        findings: [
          ...differences(rows, ours),
          ...(evaluations.length === 0 ? ['No evaluation of a trained model was at hand: no FID here is ours.'] : []),
        ],
      };
    },
  };
}

type Size = { readonly parameters: number; readonly macs: number };

function publishedTable(
  rows: readonly PublishedModel[],
  ours: readonly Size[],
  evaluations: readonly Evaluation[],
): ResultTable {
  return {
    title: 'Published and ours',
    note: 'Our FID is that of an evaluated model of the very size, whatever it was trained on: see its evaluation.',
    columns: ['data', 'model', 'parameters, paper', 'ours', 'MACs, paper', 'ours', 'FID, paper', 'ours'],
    rows: rows.map(({ dataset, model, parameters, macs, fid }, i) => {
      const own = evaluations.find(
        ({ model: facts }) => facts?.parameters === ours[i].parameters && facts.macs === ours[i].macs,
      );
      const ownFid = own?.metrics.fid;
      return [
        dataset,
        model,
        parameters ?? null,
        formatParameters(ours[i].parameters),
        macs ?? null,
        formatMacs(ours[i].macs),
        fid === undefined ? null : String(fid),
        ownFid === undefined ? null : formatSignificant(ownFid),
      ];
    }),
  };
}

function runTable(evaluations: readonly Evaluation[]): ResultTable {
  return {
    title: 'Models that were trained here',
    note: 'Fréchet distances on SqueezeNet’s features compare with their like only, never with an FID.',
    columns: ['model', 'parameters', 'MACs', 'samples', 'FID', 'Fréchet, SqueezeNet', 'steps/s', 'reference'],
    rows: evaluations.map(({ name, model, generated, metrics, throughput, reference }) => [
      name,
      model ? formatParameters(model.parameters) : null,
      model ? formatMacs(model.macs) : null,
      String(generated.count),
      metrics.fid === undefined ? null : formatSignificant(metrics.fid),
      metrics.frechetSqueezeNet === undefined ? null : formatSignificant(metrics.frechetSqueezeNet),
      throughput ? `${formatRate(throughput.stepsPerSecond)}, batch ${throughput.batchSize}` : null,
      reference.description,
    ]),
  };
}

/** Says which published sizes ours do not round to. */
function differences(rows: readonly PublishedModel[], ours: readonly Size[]): string[] {
  const other: string[] = [];
  let largest = 0;
  let compared = 0;
  const compare = (where: string, published: string | undefined, count: number) => {
    const match = published?.match(/^([\d.]+) ([MG])$/);
    if (!match) return;
    compared++;
    const unit = match[2] === 'M' ? 1e6 : 1e9;
    largest = Math.max(largest, Math.abs(count / unit / Number(match[1]) - 1));
    const digits = match[1].split('.')[1]?.length ?? 0;
    if ((count / unit).toFixed(digits) !== match[1]) {
      other.push(`${where}: ${(count / unit).toFixed(digits + 1)} ${match[2]}, published ${published}`);
    }
  };
  for (const [i, { dataset, model, parameters, macs }] of rows.entries()) {
    compare(`parameters of ${model} on ${dataset}`, parameters, ours[i].parameters);
    compare(`MACs of ${model} on ${dataset}`, macs, ours[i].macs);
  }
  return [
    `${compared - other.length} of ${compared} published sizes are ours, to the digit; the largest difference is ${(100 * largest).toFixed(2)} %.`,
    ...(other.length > 0 ? [`Not to the digit: ${other.join('; ')}.`] : []),
  ];
}

/** Evaluations that the models of a run folder have, in the order of their names. */
async function evaluationsIn({ models }: Pick<ReproductionContext, 'models'>): Promise<Evaluation[]> {
  const entries = await readdir(models, { withFileTypes: true }).catch(() => []);
  const found: Evaluation[] = [];
  for (const name of entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort()) {
    const files = await readdir(join(models, name));
    if (files.includes(EVALUATION_FILE)) found.push(await readEvaluation(join(models, name)));
  }
  return found;
}
