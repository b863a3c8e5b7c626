import { CheckpointError } from './checkpoint-error';
import { checkFileName } from './file-name';
import { openSafetensors } from './open-safetensors';
import { openSafetensorsShards } from './open-safetensors-shards';
import { openTorch } from './open-torch';
import { quote } from './quote';
import { checkSize, type RangeSource, read, readLater } from './range-source';
import type { TensorFile } from './tensor-file';

const OP = 'openDiffusersFolder';

/** Longest JSON file that is read, in bytes: configurations have a few thousand. */
const MAX_JSON_BYTES = 1_000_000;

/** Configurations of a component, by what it is: models of diffusers and transformers, schedulers, tokenizers, and
 * what prepares images. */
const CONFIGS = ['config.json', 'scheduler_config.json', 'tokenizer_config.json', 'preprocessor_config.json'];

/** Weights by preference: safetensors before pickles, whole files before indexed ones. */
const WEIGHTS = ['diffusion_pytorch_model', 'model', 'pytorch_model'];

/** A JSON object of a file. Its values are what the file says: check what you use. */
export type JsonObject = { readonly [key: string]: unknown };

/**
 * Opens a file of the folder by its path from there, such as `unet/config.json`; undefined where there is none. Asked
 * for plain names in at most one folder only, without `..` or a drive.
 */
export type OpenPath = (path: string) => RangeSource | undefined | Promise<RangeSource | undefined>;

/** A model, scheduler or tokenizer of a pipeline. */
export type DiffusersComponent = {
  /** Its configuration, `_class_name` included; empty where it has none. */
  readonly config: JsonObject;
  /** Path of the weights' file, or of their index; undefined for components without weights, such as schedulers. */
  readonly weightsPath: string | undefined;
  readonly weights: TensorFile | undefined;
};

/** A folder as `save_pretrained` of diffusers writes it: a pipeline's, or one model's. */
export type DiffusersFolder = {
  /** Class of the pipeline, or of the one model; undefined where its configuration does not say. */
  readonly className: string | undefined;
  /** `model_index.json`, or the one model's configuration. */
  readonly config: JsonObject;
  /** Components of the pipeline by name, with library and class: `unet` -> `['diffusers', 'UNet2DModel']`. */
  readonly components: ReadonlyMap<string, readonly [library: string, className: string]>;
  /**
   * Opens a component; `''` is the one model of a folder without `model_index.json`.
   * @throws CheckpointError where the folder has none of that name, and on bad files.
   */
  component(name: string): Promise<DiffusersComponent>;
};

/**
 * Opens a folder of diffusers: `model_index.json` and one folder a component, or one model's folder. A component's
 * weights are, by preference, `NAME.safetensors`, the shards of `NAME.safetensors.index.json`, or `NAME.bin` of
 * torch.save, where NAME is `diffusion_pytorch_model`, `model` or `pytorch_model`.
 * @param open opens a file by its path; the only access to the folder.
 * @param options `variant`: `fp16` takes `NAME.fp16.safetensors` before the plain names, as diffusers does.
 * @throws CheckpointError on a folder without either file, configurations that are no JSON objects, component names
 * that are no plain names, and as the openers of weights do; what `open` throws passes through.
 */
export async function openDiffusersFolder(
  open: OpenPath,
  { variant }: { readonly variant?: string } = {},
): Promise<DiffusersFolder> {
  if (variant !== undefined) checkFileName(OP, 'variant', variant);
  const index = await readJson(open, 'model_index.json');
  const config = index ?? (await readConfig(open, ''));
  if (config === undefined) throw new CheckpointError(OP, 'folder', 'with model_index.json or config.json', 'neither');
  const components = index === undefined ? new Map() : componentsOf(index);
  return {
    className: typeof config._class_name === 'string' ? config._class_name : undefined,
    config,
    components,
    async component(name) {
      if (index === undefined ? name !== '' : !components.has(name)) {
        const known = index === undefined ? "'', of the one model here" : `one of ${[...components.keys()].join(', ')}`;
        throw new CheckpointError(OP, 'component', known, quote(name));
      }
      const folder = name === '' ? '' : `${name}/`;
      const weightsFound = await openWeights(open, folder, variant);
      return {
        config: (await readConfig(open, folder)) ?? {},
        weightsPath: weightsFound?.path,
        weights: weightsFound?.file,
      };
    },
  };
}

/** Entries that name a library and a class; `[null, null]` is a component that was left out. */
function componentsOf(index: JsonObject): Map<string, readonly [library: string, className: string]> {
  const components = new Map<string, readonly [string, string]>();
  for (const [name, entry] of Object.entries(index)) {
    if (!Array.isArray(entry) || entry.length !== 2) continue;
    const [library, className] = entry as unknown[];
    if (typeof library !== 'string' || typeof className !== 'string') continue;
    checkFileName(OP, 'component name', name);
    components.set(name, [library, className]);
  }
  return components;
}

async function openWeights(
  open: OpenPath,
  folder: string,
  variant: string | undefined,
): Promise<{ path: string; file: TensorFile } | undefined> {
  for (const middle of variant === undefined ? [''] : [`.${variant}`, '']) {
    for (const name of WEIGHTS) {
      const whole = `${folder}${name}${middle}.safetensors`;
      const source = await open(whole);
      if (source !== undefined) return { path: whole, file: await openSafetensors(source) };
      const path = `${folder}${name}.safetensors.index${middle}.json`;
      const index = await open(path);
      if (index !== undefined) {
        return { path, file: await openSafetensorsShards(await readAll(path, index), openShard(open, folder)) };
      }
    }
    for (const name of WEIGHTS) {
      const path = `${folder}${name}${middle}.bin`;
      const source = await open(path);
      if (source !== undefined) return { path, file: await openTorch(source) };
    }
  }
  return undefined;
}

function openShard(open: OpenPath, folder: string): (name: string) => Promise<RangeSource> {
  return async (name) => {
    const source = await open(`${folder}${name}`);
    if (source !== undefined) return source;
    throw new CheckpointError(OP, `file ${quote(`${folder}${name}`)}`, 'there, as the index has it', 'none');
  };
}

async function readConfig(open: OpenPath, folder: string): Promise<JsonObject | undefined> {
  for (const name of CONFIGS) {
    const config = await readJson(open, `${folder}${name}`);
    if (config !== undefined) return config;
  }
  return undefined;
}

async function readJson(open: OpenPath, path: string): Promise<JsonObject | undefined> {
  const source = await open(path);
  if (source === undefined) return undefined;
  if (source.size > MAX_JSON_BYTES) {
    throw new CheckpointError(OP, quote(path), `at most ${MAX_JSON_BYTES} bytes`, `${source.size}`);
  }
  const bytes = await readAll(path, source);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new CheckpointError(OP, quote(path), 'JSON in UTF-8', 'something else');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new CheckpointError(
    OP,
    quote(path),
    'a JSON object',
    Array.isArray(value) ? 'an array' : value === null ? 'null' : typeof value,
  );
}

async function readAll(path: string, source: RangeSource): Promise<Uint8Array> {
  checkSize(OP, source);
  return await readLater(OP, source, read(path, 0, source.size));
}
