import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from '@sd/checkpoint';
import { ClipTextModel, clipTextConfigToHuggingFace, presets } from '@sd/clip';
import { randomKey } from '@sd/core';

/** Width of the tokens of `writeTinyTextEncoder`. */
export const TINY_WIDTH = 24;

/** For tests: a folder with a CLIP of one layer and a vocabulary of "cat", as Hugging Face lays it out. */
export async function writeTinyTextEncoder(folder: string, seed = 1): Promise<void> {
  const config = {
    ...presets['clip-vit-large-patch14'],
    vocabSize: 7,
    hiddenSize: TINY_WIDTH,
    intermediateSize: 48,
    numHiddenLayers: 1,
    maxPositionEmbeddings: 8,
  };
  const model = new ClipTextModel(config).initialize(randomKey(seed));
  const vocab = { c: 0, a: 1, 't</w>': 2, ca: 3, 'cat</w>': 4, '<|startoftext|>': 5, '<|endoftext|>': 6 };
  const files: Readonly<Record<string, string | Uint8Array>> = {
    'config.json': JSON.stringify(clipTextConfigToHuggingFace(config)),
    'model.safetensors': writeSafetensors(await model.stateDict()),
    'vocab.json': JSON.stringify(vocab),
    'merges.txt': '#version: 0.2\nc a\nca t</w>\n',
    'tokenizer_config.json': JSON.stringify({ model_max_length: 8 }),
  };
  model.dispose();
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
}
