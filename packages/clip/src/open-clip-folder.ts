import { CheckpointError, type JsonObject, type OpenPath, openDiffusersFolder } from '@sd/checkpoint';
import { ClipTextModel } from './clip-text-model';
import { ClipTokenizer, type ClipTokenizerOptions } from './clip-tokenizer';
import { clipTextConfigFromHuggingFace } from './hugging-face-config';

/** Longest file of a tokenizer that is read, in bytes; CLIP's have about two million. */
const MAX_BYTES = 50_000_000;

export type OpenClipTextOptions = {
  /** The pipeline's component. Default `text_encoder`; Stable Diffusion XL has a `text_encoder_2`. */
  readonly component?: string;
  /** Weights of this variant before the plain ones, as `fp16`. */
  readonly variant?: string;
};

/**
 * Loads the text model of a Hugging Face folder: of a diffusers pipeline (`text_encoder/`), or a folder of its own.
 * @param open opens a file by its path; the only access to the folder.
 * @throws {CheckpointError} where there are no weights, and as `openDiffusersFolder`. @throws {ArgumentError} on a
 * configuration that is no text model's. @throws {StateDictError} where weights and configuration contradict each other.
 */
export async function openClipText(
  open: OpenPath,
  { component = 'text_encoder', variant }: OpenClipTextOptions = {},
): Promise<ClipTextModel> {
  const folder = await openDiffusersFolder(open, variant === undefined ? {} : { variant });
  const name = folder.components.size > 0 ? component : '';
  const { config, weights } = await folder.component(name);
  if (weights === undefined) throw new CheckpointError('openClipText', 'folder', 'with weights', 'none');
  return await new ClipTextModel(clipTextConfigFromHuggingFace(config)).loadFrom(weights);
}

export type OpenClipTokenizerOptions = ClipTokenizerOptions & {
  /** The pipeline's component. Default `tokenizer`; Stable Diffusion XL has a `tokenizer_2`. */
  readonly component?: string;
};

/**
 * The tokenizer of a Hugging Face folder: of a diffusers pipeline (`tokenizer/`), or a folder of its own, from
 * `vocab.json` and `merges.txt`, or from `tokenizer.json`. Special tokens and length are those of
 * `tokenizer_config.json` or `special_tokens_map.json`, unless options name others.
 * @throws {CheckpointError} where those files are missing or no text. @throws {ArgumentError} on files of another kind.
 */
export async function openClipTokenizer(
  open: OpenPath,
  { component = 'tokenizer', ...options }: OpenClipTokenizerOptions = {},
): Promise<ClipTokenizer> {
  for (const folder of [`${component}/`, '']) {
    const [vocab, merges] = [await readText(open, `${folder}vocab.json`), await readText(open, `${folder}merges.txt`)];
    const whole = await readText(open, `${folder}tokenizer.json`);
    if ((vocab === undefined || merges === undefined) && whole === undefined) continue;
    const settings = { ...(await optionsOf(open, folder)), ...options };
    return vocab !== undefined && merges !== undefined
      ? ClipTokenizer.fromVocabAndMerges(vocab, merges, settings)
      : ClipTokenizer.fromTokenizerJson(whole!, settings);
  }
  const expected = 'with vocab.json and merges.txt, or tokenizer.json';
  throw new CheckpointError('openClipTokenizer', 'folder', expected, 'neither');
}

async function optionsOf(open: OpenPath, folder: string): Promise<ClipTokenizerOptions> {
  const config = {
    ...(await readObject(open, `${folder}special_tokens_map.json`)),
    ...(await readObject(open, `${folder}tokenizer_config.json`)),
  };
  const token = (name: string): string | undefined => {
    const value = config[name];
    const content = typeof value === 'object' && value !== null ? (value as JsonObject).content : value;
    return typeof content === 'string' ? content : undefined;
  };
  const [bosToken, eosToken, padToken] = [token('bos_token'), token('eos_token'), token('pad_token')];
  const maxLength = config.model_max_length;
  return {
    ...(bosToken === undefined ? {} : { bosToken }),
    ...(eosToken === undefined ? {} : { eosToken }),
    ...(padToken === undefined ? {} : { padToken }),
    // transformers writes 1e30 where it knows of no limit
    ...(Number.isSafeInteger(maxLength) ? { maxLength: maxLength as number } : {}),
  };
}

async function readObject(open: OpenPath, path: string): Promise<JsonObject> {
  const text = await readText(open, path);
  if (text === undefined) return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CheckpointError('openClipTokenizer', path, 'JSON', 'something else');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new CheckpointError('openClipTokenizer', path, 'a JSON object', typeof value);
}

async function readText(open: OpenPath, path: string): Promise<string | undefined> {
  const source = await open(path);
  if (source === undefined) return undefined;
  const { size } = source;
  if (size > MAX_BYTES) throw new CheckpointError('openClipTokenizer', path, `at most ${MAX_BYTES} bytes`, `${size}`);
  const bytes = await source.read(0, size);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new CheckpointError('openClipTokenizer', path, 'text in UTF-8', 'something else');
  }
}
