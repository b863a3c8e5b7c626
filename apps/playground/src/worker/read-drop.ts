import { openDiffusersFolder, openSafetensorsShards } from '@sd/checkpoint';
import { UserError } from '../user-error';
import { type DroppedConfigs, isConfig, takeConfig } from './dropped-configs';
import { type DroppedFiles, folderOf } from './dropped-files';
import { isShardIndex, isWeights, openWeights, type Weights } from './open-weights';
import { explainedLater } from './own-files';

/** What was dropped, its headers read and nothing loaded. */
export type Drop = {
  readonly files: DroppedFiles;
  readonly configs: DroppedConfigs;
  readonly weights: readonly Weights[];
};

const PIPELINE = 'model_index.json';

/** Components of a pipeline that take part in sampling; what filters or prepares pictures is left alone. */
const COMPONENTS = ['unet', 'vae', 'vqvae', 'text_encoder', 'scheduler'];

const KINDS = '.safetensors, or .ckpt, .pt, .pth or .bin of PyTorch';

/**
 * Reads a drop: the pipeline's folder where there is one, and every other folder and file by itself.
 * @throws {UserError} that names what is broken, contradicts itself or is missing.
 */
export async function readDrop(files: DroppedFiles): Promise<Drop> {
  const [pipeline, second] = files.paths.filter((path) => path === folderOf(path) + PIPELINE);
  if (second !== undefined) throw new UserError(`${pipeline} and ${second}: drop one pipeline at a time`);
  const root = pipeline === undefined ? undefined : folderOf(pipeline);
  const others = files.folders.filter((folder) => root === undefined || !folder.startsWith(root));
  const configs: DroppedConfigs = {};
  const weights: Weights[] = [];
  const take = async (folder: string) => {
    for (const name of files.namesIn(folder).filter(isConfig)) {
      await takeConfig(configs, folder + name, files.file(folder + name));
    }
    const found = await weightsIn(files, folder);
    weights.push(...found);
    return found.length;
  };
  for (const folder of root === undefined ? [] : await componentsOf(files, root)) {
    const count = await take(folder);
    if (count === 0 && !folder.endsWith('scheduler/')) throw new UserError(`${folder} has no weights (${KINDS})`);
  }
  for (const folder of others) await take(folder);
  if (weights.length === 0) throw nothingIn(files);
  return { files, configs, weights };
}

/** Folders of a pipeline's components. */
async function componentsOf(files: DroppedFiles, root: string): Promise<string[]> {
  const index = root + PIPELINE;
  const { components, className = 'its pipeline' } = await explainedLater(
    index,
    openDiffusersFolder(files.openIn(root)),
  );
  if (!components.has('unet')) throw new UserError(`${index}: ${className} has no unet, and the page samples no other`);
  const folders = COMPONENTS.filter((name) => components.has(name)).map((name) => `${root}${name}/`);
  const missing = folders.find((folder) => !files.folders.includes(folder));
  if (missing !== undefined) throw new UserError(`${index} says that there is a folder ${missing}, and there is none`);
  return folders;
}

/** Of a folder of diffusers the one file that it means, of others every one; parts of a model as the whole. */
async function weightsIn(files: DroppedFiles, folder: string): Promise<Weights[]> {
  const names = files.namesIn(folder);
  if (folder !== '' && names.includes('config.json')) {
    const opened = await explainedLater(folder, openDiffusersFolder(files.openIn(folder)));
    const { weights, weightsPath } = await explainedLater(folder, opened.component(''));
    if (weights !== undefined && weightsPath !== undefined) {
      const path = folder + weightsPath;
      return [
        isWeights(path) ? await openWeights(path, files.file(path)) : { name: path, file: weights, metadata: {} },
      ];
    }
  }
  const parts = new Set<string>();
  const found: Weights[] = [];
  for (const name of names.filter(isShardIndex)) {
    const path = folder + name;
    const index = new Uint8Array(await files.file(path).arrayBuffer());
    const open = (part: string) => {
      parts.add(part);
      const source = files.openIn(folder)(part);
      if (source === undefined) throw new UserError(`its part ${folder}${part} is missing`);
      return source;
    };
    found.push({ name: path, file: await explainedLater(path, openSafetensorsShards(index, open)), metadata: {} });
  }
  for (const name of names.filter((other) => isWeights(other) && !parts.has(other))) {
    if (PART.test(name)) {
      throw new UserError(`${folder}${name} is a part of a model: drop all parts, and the index.json that names them`);
    }
    found.push(await openWeights(folder + name, files.file(folder + name)));
  }
  return found;
}

const PART = /-\d{5}-of-\d{5}\.safetensors$/i;

function nothingIn(files: DroppedFiles): UserError {
  const { paths } = files;
  if (paths.length === 0) return new UserError('the folder is empty');
  const strange = files.namesIn('').find((name) => !isConfig(name));
  if (strange !== undefined) return new UserError(`${strange}: neither weights nor a configuration`);
  if (paths.some((path) => isConfig(path))) return new UserError(`drop weights too: ${KINDS}`);
  const [top] = paths[0].split('/');
  return new UserError(
    `${top} is no folder of a model: it has neither model_index.json or config.json, as diffusers writes them, nor weights (${KINDS})`,
  );
}
