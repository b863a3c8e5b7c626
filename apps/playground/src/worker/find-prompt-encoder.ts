import { ClipTextModel, type ClipTokenizer, openClipTokenizer, presets } from '@sd/clip';
import { isTextEncoderFile, TEXT_ENCODER_FOLDERS } from '../trainer';
import { UserError } from '../user-error';
import { type DroppedFiles, folderOf } from './dropped-files';
import type { Found } from './find-unet';
import { firstFitting, planned } from './fitting';
import type { Part } from './load-parts';
import { isTextModel, under, type Weights } from './open-weights';
import { explained, explainedLater } from './own-files';
import type { PromptEncoder } from './pipeline';
import type { Drop } from './read-drop';

/** Of LDM's FrozenCLIPEmbedder, in the checkpoints of Stable Diffusion 1. */
const TEXT_PREFIX = 'cond_stage_model.transformer.';

/** More than this is not read at once to be told from another encoder. */
const MOST_HASHED = 2 ** 30;

/**
 * What turns a prompt into the denoiser's context: a dropped text model, or the checkpoint's own, with its tokenizer.
 * @throws {UserError} where one of them is missing, or the denoiser was made for another.
 */
export async function findPromptEncoder(
  { files, weights: all, configs }: Drop,
  { whole, said, notes }: Found,
  width: number,
): Promise<{ readonly encoder: PromptEncoder; readonly part: Part }> {
  const apart = all.find(isTextModel);
  const weights = apart ?? under(TEXT_PREFIX, whole);
  if (weights === null) {
    throw new UserError(
      `${whole.name} draws prompts: drop its text encoder with it, a folder with config.json, model.safetensors, vocab.json and merges.txt, as CLIP's, or the whole folder of diffusers`,
    );
  }
  const model = textModel(weights, configs.text);
  if (model.config.hiddenSize !== width) {
    throw new UserError(
      `${weights.name}: its tokens are ${model.config.hiddenSize} wide, and ${whole.name} attends to ${width}`,
    );
  }
  const root = rootOf(weights.name);
  const tokenizer = await findTokenizer(files, root, weights.name);
  const { maxPositionEmbeddings, vocabSize } = model.config;
  if (tokenizer.maxLength > maxPositionEmbeddings || tokenizer.vocabSize > vocabSize) {
    throw new UserError(
      `the tokenizer is not that of ${weights.name}: ${tokenizer.vocabSize} tokens, ${tokenizer.maxLength} a text, where the model has ${vocabSize} and ${maxPositionEmbeddings}`,
    );
  }
  if (said?.encoder)
    await checkIdentity(files, root, { name: weights.name, denoiser: whole.name }, said.encoder, notes);
  return { encoder: { model, tokenizer }, part: { name: weights.name, module: model, file: weights.file } };
}

function textModel({ name, file }: Weights, said: ClipTextModel['config'] | undefined): ClipTextModel {
  if (said !== undefined) return explained(name, () => planned(new ClipTextModel(said), file));
  const known = firstFitting(Object.values(presets), (config) => new ClipTextModel(config), file);
  if (known !== null) return known;
  throw new UserError(`${name}: no text model that is known; drop its config.json with it`);
}

/** The folder of a text encoder, or of the pipeline whose `text_encoder/` it is. */
function rootOf(path: string): string {
  return folderOf(path).replace(/(^|\/)text_encoder\/$/, '$1');
}

async function findTokenizer(files: DroppedFiles, root: string, name: string): Promise<ClipTokenizer> {
  const has = (folder: string) =>
    files.has(`${folder}tokenizer.json`) || (files.has(`${folder}vocab.json`) && files.has(`${folder}merges.txt`));
  const folder = [`${root}tokenizer/`, root, ...files.folders].find(has);
  if (folder === undefined) {
    throw new UserError(
      `${name}: its tokenizer is missing; drop vocab.json and merges.txt, or tokenizer.json, with it`,
    );
  }
  return explainedLater(folder || 'the tokenizer', openClipTokenizer(files.openIn(folder)));
}

/** The command knows its text encoders by their files. @throws {UserError} on another one. */
async function checkIdentity(
  files: DroppedFiles,
  root: string,
  { name, denoiser }: { readonly name: string; readonly denoiser: string },
  expected: string,
  notes: string[],
): Promise<void> {
  const contents: BlobPart[] = [];
  for (const folder of TEXT_ENCODER_FOLDERS) {
    const path = folder === '' ? root : `${root}${folder}/`;
    const names = files.namesIn(path).filter((file) => isTextEncoderFile(file) && path + file !== denoiser);
    for (const file of names.sort()) {
      contents.push(`${folder}/${file}\n`, files.file(path + file));
    }
  }
  const whole = new Blob(contents);
  // Without TLS there is no `subtle`, but on the machine itself.
  if (whole.size > MOST_HASHED || globalThis.crypto.subtle === undefined) {
    notes.push(`Whether ${name} is the text encoder that it was trained with was not checked.`);
    return;
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await whole.arrayBuffer()));
  const actual = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (actual === expected) return;
  throw new UserError(
    `${name} is another text encoder than the model was trained with (SHA-256 ${actual.slice(0, 12)}, not ${expected.slice(0, 12)})`,
  );
}
