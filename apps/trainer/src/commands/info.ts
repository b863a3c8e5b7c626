import { existsSync } from 'node:fs';
import { countMacs, countParameters, presets, type UNetConfig } from '@sd/unet';
import { withSuggestion } from '../config/nearest';
import { DIFFUSION_FORMAT, readDiffusionMetadata } from '../files/weights-file';
import { readCheckpointFile } from '../training/checkpoint';
import { UserError } from '../user-error';

/** Sizes of one model. */
export type ModelInfo = {
  readonly name: string;
  readonly parameters: number;
  readonly macs: number;
  /** Input, height x width x channels. */
  readonly input: string;
};

/** Sizes of all presets. MACs are of one sample, without attention's matrix products, as published. */
export function presetTable(): ModelInfo[] {
  return Object.entries(presets).map(([name, config]) => modelInfo(name, config));
}

function modelInfo(name: string, config: UNetConfig): ModelInfo {
  const { imageSize, inChannels } = config;
  return {
    name,
    parameters: countParameters(config),
    macs: countMacs(config),
    input: `${imageSize}x${imageSize}x${inChannels}`,
  };
}

/** What a checkpoint holds. */
export type CheckpointInfo = {
  readonly file: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Numbers in all tensors; a training's checkpoint holds several for each parameter. */
  readonly values: number;
  /** MACs of one sample, where the file is a diffusion model of this command. */
  readonly macs?: number;
  readonly tensors: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[];
};

async function checkpointInfo(file: string): Promise<CheckpointInfo> {
  const { tensors, metadata } = await readCheckpointFile(file);
  const list = [...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const values = list.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  const config = metadata.format === DIFFUSION_FORMAT ? readDiffusionMetadata(file, metadata).unet : undefined;
  return { file, metadata, values, ...(config ? { macs: countMacs(config) } : {}), tensors: list };
}

/** `sd info [preset | checkpoint] [--json]`. @returns what is printed. @throws {UserError} on an unknown name. */
export async function info(target: string | undefined, { json = false }: { readonly json?: boolean }): Promise<string> {
  if (target === undefined) {
    const table = presetTable();
    return json ? JSON.stringify(table, null, 2) : formatTable(table);
  }
  if (Object.hasOwn(presets, target)) {
    const model = modelInfo(target, (presets as Readonly<Record<string, UNetConfig>>)[target]);
    return json ? JSON.stringify(model, null, 2) : formatTable([model]);
  }
  if (!/[./\\]/.test(target) && !existsSync(target)) {
    throw new UserError(`info: neither a file nor a preset: ${withSuggestion(target, Object.keys(presets))}`);
  }
  const checkpoint = await checkpointInfo(target);
  if (json) return JSON.stringify(checkpoint, null, 2);
  const lines = checkpoint.tensors.map(({ name, dtype, shape }) => `  ${name}  ${dtype} [${shape.join(', ')}]`);
  const metadata = Object.entries(checkpoint.metadata).map(([key, value]) => `  ${key}: ${value}`);
  return [
    `${target}: ${lines.length} tensors, ${checkpoint.values.toLocaleString('en')} values${checkpoint.macs === undefined ? '' : `, ${formatMacs(checkpoint.macs)} MACs`}`,
    ...metadata,
    ...lines,
  ].join('\n');
}

function formatMacs(macs: number): string {
  return macs < 1e7 ? `${(macs / 1e6).toFixed(2)} M` : `${(macs / 1e9).toFixed(2)} G`;
}

function formatTable(models: readonly ModelInfo[]): string {
  const rows = [
    ['model', 'input', 'parameters', 'MACs'],
    ...models.map(({ name, input, parameters, macs }) => [
      name,
      input,
      parameters.toLocaleString('en'),
      formatMacs(macs),
    ]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) => row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '))
    .join('\n');
}
