import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, type RangeSource } from '@sd/checkpoint';
import { type ClipTextModel, type ClipTokenizer, openClipText, openClipTokenizer } from '@sd/clip';
import { SpectralDiffusionError } from '@sd/core';
import type { Tensor3D } from '@tensorflow/tfjs-core';
import { UserError } from '../user-error';
import { isTextEncoderFile, TEXT_ENCODER_FOLDERS } from './text-encoder-files';

/** CLIP's text model with its tokenizer, frozen: a text becomes its tokens' states, `[tokens, width]`. */
export class TextEncoder {
  private constructor(
    private readonly model: ClipTextModel,
    private readonly tokenizer: ClipTokenizer,
    /** SHA-256 of the files that it was read from. */
    readonly identity: string,
  ) {}

  /**
   * @param folder of a text model as Hugging Face has it (`config.json`, `model.safetensors`, `vocab.json`,
   * `merges.txt`), or of a diffusers pipeline. @throws {UserError} that names what is missing or wrong.
   */
  static async open(folder: string): Promise<TextEncoder> {
    const handles: FileHandle[] = [];
    const openPath = async (path: string): Promise<RangeSource | undefined> => {
      const handle = await open(join(folder, path)).catch(() => undefined);
      if (!handle) return undefined;
      handles.push(handle);
      const status = await handle.stat();
      return status.isFile() ? rangeSource(handle, status.size) : undefined;
    };
    try {
      const tokenizer = await openClipTokenizer(openPath);
      const model = await openClipText(openPath);
      return new TextEncoder(model, tokenizer, await textEncoderIdentity(folder));
    } catch (error) {
      if (error instanceof SpectralDiffusionError || error instanceof CheckpointError) {
        throw new UserError(
          `the text encoder ${folder} cannot be read: ${error.message}; it must be a folder with config.json, model.safetensors, vocab.json and merges.txt, such as that of openai/clip-vit-large-patch14`,
        );
      }
      throw error;
    } finally {
      for (const handle of handles) await handle.close();
    }
  }

  /** Tokens of a text, begin, end and padding included. */
  get tokens(): number {
    return this.tokenizer.maxLength;
  }

  get width(): number {
    return this.model.config.hiddenSize;
  }

  /** `[texts, tokens, width]`. Owned by the caller. A text that is too long is cut. */
  encode(texts: readonly string[]): Tensor3D {
    return this.model.context(this.tokenizer.encodeAll([...texts]));
  }

  dispose(): void {
    this.model.dispose();
  }
}

function rangeSource(handle: FileHandle, size: number): RangeSource {
  return {
    size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await handle.read(bytes, done, Math.min(1 << 30, length - done), offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return bytes.subarray(0, done);
    },
  };
}

/** SHA-256 of the files of a text encoder. */
export async function textEncoderIdentity(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const part of TEXT_ENCODER_FOLDERS) {
    const names = await readdir(join(folder, part)).catch(() => []);
    for (const name of names.sort().filter(isTextEncoderFile)) {
      hash.update(`${part}/${name}\n`);
      for await (const chunk of createReadStream(join(folder, part, name))) hash.update(chunk as Buffer);
    }
  }
  return hash.digest('hex');
}
