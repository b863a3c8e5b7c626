import { type OpenPath, writeSafetensors } from '@sd/checkpoint';
import { randomKey } from '@sd/core';
import { goldenJson } from '@sd/testing';
import { expect, test } from 'vitest';
import { ClipTextModel } from './clip-text-model';
import { clipTextConfigToHuggingFace } from './hugging-face-config';
import { openClipText, openClipTokenizer } from './open-clip-folder';
import { goldenConfig } from './test-values';

const { tokenizer: file } = goldenJson<{ tokenizer: { model: { vocab: object; merges: string[][] } } }>(
  'clip-tokenizer.json',
);
const vocab = JSON.stringify(file.model.vocab);
const merges = file.model.merges.map((pair) => pair.join(' ')).join('\n');

function folder(files: Record<string, string | Uint8Array>): OpenPath {
  return (path) => {
    const content = files[path];
    if (content === undefined) return undefined;
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    return { size: bytes.length, read: async (at, length) => bytes.slice(at, at + length) };
  };
}

const model = new ClipTextModel(goldenConfig('projection')).initialize(randomKey(1));
const weights = writeSafetensors(await model.stateDict());
const config = JSON.stringify(clipTextConfigToHuggingFace(model.config));
const index = JSON.stringify({
  _class_name: 'StableDiffusionPipeline',
  text_encoder: ['transformers', 'CLIPTextModelWithProjection'],
  tokenizer: ['transformers', 'CLIPTokenizer'],
});

test('a text model is loaded from its own folder and from a pipeline', async () => {
  const own = await openClipText(folder({ 'config.json': config, 'model.safetensors': weights }));
  expect(await own.stateDict()).toEqual(await model.stateDict());
  const pipeline = {
    'model_index.json': index,
    'text_encoder/config.json': config,
    'text_encoder/model.fp16.safetensors': weights,
  };
  const part = await openClipText(folder(pipeline), { variant: 'fp16' });
  expect(part.config).toEqual(model.config);
  expect(await part.stateDict()).toEqual(await model.stateDict());
});

test('a tokenizer is opened from its own folder and from a pipeline, with its special tokens', async () => {
  const settings = JSON.stringify({ pad_token: { content: '!</w>' }, model_max_length: 9 });
  const map = JSON.stringify({ pad_token: 'x', bos_token: '<|startoftext|>', eos_token: '<|endoftext|>' });
  const files = { 'vocab.json': vocab, 'merges.txt': merges, 'special_tokens_map.json': map };
  const own = await openClipTokenizer(folder({ ...files, 'tokenizer_config.json': settings }));
  expect(own.encode('a cat').slice(4)).toEqual(Array(5).fill(own.padTokenId));
  expect(own.padTokenId).toBe((file.model.vocab as Record<string, number>)['!</w>']);
  const part = await openClipTokenizer(
    folder({
      'model_index.json': index,
      'tokenizer/tokenizer.json': JSON.stringify(file),
      'tokenizer/tokenizer_config.json': JSON.stringify({ model_max_length: 1e30 }),
    }),
  );
  expect(part.encode('a cat')).toHaveLength(77);
  const other = await openClipTokenizer(folder({ ...files, 'tokenizer_config.json': settings }), { maxLength: 5 });
  expect(other.encode('a cat')).toHaveLength(5);
});

test('folders that lack a file, or have a bad one, are refused', async () => {
  const empty = folder({ 'config.json': config });
  await expect(openClipText(empty)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openClipText: folder must be with weights, got none]`,
  );
  await expect(openClipText(folder({}))).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openDiffusersFolder: folder must be with model_index.json or config.json, got neither]`,
  );
  await expect(openClipTokenizer(empty)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openClipTokenizer: folder must be with vocab.json and merges.txt, or tokenizer.json, got neither]`,
  );
  const files = { 'vocab.json': vocab, 'merges.txt': merges };
  const bad = folder({ ...files, 'tokenizer_config.json': '[]' });
  await expect(openClipTokenizer(bad)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openClipTokenizer: tokenizer_config.json must be a JSON object, got object]`,
  );
  const broken = folder({ ...files, 'tokenizer_config.json': '{' });
  await expect(openClipTokenizer(broken)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openClipTokenizer: tokenizer_config.json must be JSON, got something else]`,
  );
  const binary = folder({ ...files, 'merges.txt': Uint8Array.of(0xff) });
  await expect(openClipTokenizer(binary)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openClipTokenizer: merges.txt must be text in UTF-8, got something else]`,
  );
  const large: OpenPath = (path) =>
    path === 'vocab.json' ? { size: 1e9, read: async () => new Uint8Array(0) } : undefined;
  await expect(openClipTokenizer(large)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[CheckpointError: openClipTokenizer: vocab.json must be at most 50000000 bytes, got 1000000000]`,
  );
});
