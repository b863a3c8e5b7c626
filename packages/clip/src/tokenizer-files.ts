import { ArgumentError } from '@sd/core';
import { END_OF_WORD, type Merge } from './byte-pair-encoding';

/** A vocabulary and its merges, as files hold them. */
export type TokenizerFiles = { readonly vocabulary: ReadonlyMap<string, number>; readonly merges: readonly Merge[] };

/**
 * Of `vocab.json` and `merges.txt`.
 * @param vocab JSON: an object of tokens and their numbers. @param merges two parts a line; `#version` is passed over.
 * @throws {ArgumentError} on something else.
 */
export function parseVocabAndMerges(operation: string, vocab: string, merges: string): TokenizerFiles {
  const lines = merges.split(/\r?\n/).filter((line, i) => line !== '' && !(i === 0 && line.startsWith('#version')));
  return {
    vocabulary: vocabularyOf(operation, 'vocab', parseJson(operation, 'vocab', vocab)),
    merges: lines.map((line, i) => mergeOf(operation, i, line)),
  };
}

/**
 * Of a `tokenizer.json` of the tokenizers library; its added tokens are part of the vocabulary.
 * @throws {ArgumentError} on something else, and on a model that is not CLIP's.
 */
export function parseTokenizerJson(operation: string, text: string): TokenizerFiles {
  const { model, added_tokens: added = [] } = objectOf(
    operation,
    'tokenizer.json',
    parseJson(operation, 'tokenizer.json', text),
  );
  const { type, end_of_word_suffix: suffix, vocab, merges } = objectOf(operation, 'model', model);
  if (type !== undefined && type !== 'BPE') throw new ArgumentError(operation, 'model.type', "'BPE'", type);
  if (suffix !== END_OF_WORD) {
    throw new ArgumentError(operation, 'model.end_of_word_suffix', `'${END_OF_WORD}', as CLIP's`, suffix);
  }
  if (!Array.isArray(merges)) throw new ArgumentError(operation, 'model.merges', 'a list', merges);
  if (!Array.isArray(added)) throw new ArgumentError(operation, 'added_tokens', 'a list', added);
  const vocabulary = vocabularyOf(operation, 'model.vocab', vocab);
  for (const token of added) {
    const { id, content } = objectOf(operation, 'added_tokens', token);
    if (typeof content !== 'string') throw new ArgumentError(operation, 'added_tokens.content', 'a string', content);
    vocabulary.set(content, numberOf(operation, content, id));
  }
  return { vocabulary, merges: merges.map((merge, i) => mergeOf(operation, i, merge)) };
}

function vocabularyOf(operation: string, name: string, value: unknown): Map<string, number> {
  const entries = Object.entries(objectOf(operation, name, value));
  return new Map(entries.map(([token, id]) => [token, numberOf(operation, token, id)]));
}

function numberOf(operation: string, token: string, id: unknown): number {
  if (typeof id === 'number' && Number.isSafeInteger(id) && id >= 0) return id;
  throw new ArgumentError(operation, `number of ${JSON.stringify(token)}`, 'an integer >= 0', id);
}

/** `l o` or `["l", "o"]`. */
function mergeOf(operation: string, rank: number, value: unknown): Merge {
  const parts: unknown = typeof value === 'string' ? value.split(' ') : value;
  if (Array.isArray(parts) && parts.length === 2 && parts.every((part) => typeof part === 'string' && part !== '')) {
    return [parts[0], parts[1]];
  }
  throw new ArgumentError(operation, `merge ${rank}`, 'two parts', value);
}

function objectOf(operation: string, name: string, value: unknown): { readonly [key: string]: unknown } {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ArgumentError(operation, name, 'an object', value);
}

function parseJson(operation: string, name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ArgumentError(operation, name, 'JSON', text);
  }
}
