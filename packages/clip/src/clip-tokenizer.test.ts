import { goldenJson } from '@sd/testing';
import { describe, expect, test } from 'vitest';
import { ClipTokenizer } from './clip-tokenizer';

type Case = { readonly text: string; readonly ids: readonly number[]; readonly padded: readonly number[] };
type Golden = {
  readonly tokenizer: {
    readonly model: { readonly vocab: Record<string, number>; readonly merges: [string, string][] };
  };
  readonly cases: readonly (Case & { readonly decoded: string })[];
  readonly partial: { readonly without: readonly string[]; readonly cases: readonly Omit<Case, 'ids'>[] };
  readonly exclaiming: readonly Omit<Case, 'ids'>[];
};

const { tokenizer: file, cases, partial, exclaiming } = goldenJson<Golden>('clip-tokenizer.json');
const { vocab, merges } = file.model;
const mergesText = ['#version: 0.2', ...merges.map((pair) => pair.join(' ')), ''].join('\n');

const tokenizers = {
  'vocab.json and merges.txt': ClipTokenizer.fromVocabAndMerges(JSON.stringify(vocab), mergesText),
  'tokenizer.json': ClipTokenizer.fromTokenizerJson(JSON.stringify(file)),
};

describe.each(Object.entries(tokenizers))('of %s', (_, tokenizer) => {
  test.each(cases)("has transformers' tokens of $text", ({ text, ids, padded, decoded }) => {
    expect(tokenizer.encode(text, { padding: false, truncation: false })).toEqual(ids);
    expect(tokenizer.encode(text, { maxLength: 12 })).toEqual(padded);
    expect(tokenizer.encode(text, { maxLength: 12 })).toEqual(padded); // words are remembered
    expect(tokenizer.decode(ids)).toBe(decoded);
  });
});

test('77 tokens are what a text has by default, the end token again to fill it up', () => {
  const [photo, long] = tokenizers['tokenizer.json'].encodeAll(['a photo of a cat', 'cat '.repeat(100)]);
  expect([photo.length, long.length]).toEqual([77, 77]);
  const { bosTokenId, eosTokenId, padTokenId, vocabSize } = tokenizers['tokenizer.json'];
  expect([bosTokenId, eosTokenId, padTokenId, vocabSize]).toEqual([635, 636, 636, 637]);
  expect(photo.indexOf(eosTokenId)).toBe(6);
  expect(photo.slice(6).every((id) => id === eosTokenId)).toBe(true);
  expect([long[0], long.indexOf(eosTokenId)]).toEqual([bosTokenId, 76]);
});

test('letters that a vocabulary lacks are the end token; another token fills up', () => {
  const kept = Object.keys(vocab).filter((token) => !partial.without.includes(token));
  const cut = JSON.stringify(Object.fromEntries(kept.map((token, id) => [token, id])));
  const tokenizer = ClipTokenizer.fromVocabAndMerges(cut, mergesText, { padToken: '!</w>', maxLength: 12 });
  for (const { text, padded } of partial.cases) expect(tokenizer.encode(text)).toEqual(padded);
});

test('what fills up is a special token inside of texts, too', () => {
  const tokenizer = ClipTokenizer.fromTokenizerJson(JSON.stringify(file), { padToken: '!', maxLength: 12 });
  for (const { text, padded } of exclaiming) expect(tokenizer.encode(text)).toEqual(padded);
});

test('long words and long texts of special tokens are no trouble', () => {
  const options = { padding: false, maxLength: 1e6 };
  const word = tokenizers['tokenizer.json'].encode('catphoto'.repeat(12_500), options);
  expect(word.length).toBeGreaterThan(12_500);
  // merges of many ranks, far from each other
  const letters = Array.from({ length: 100_000 }, (_, i) => 'photgrafcs'[(i * i + (i >> 3)) % 10]).join('');
  const mixed = tokenizers['tokenizer.json'].encode(letters, options);
  expect(tokenizers['tokenizer.json'].decode(mixed)).toBe(letters);
  const special = tokenizers['tokenizer.json'].encode('<|endoftext|>'.repeat(100_000), options);
  expect(special).toHaveLength(100_002);
});

describe('errors', () => {
  const small = { a: 0, 'b</w>': 1, 'ab</w>': 2, '<|startoftext|>': 3, '<|endoftext|>': 4 };
  const of = (vocabulary: object, merged = 'a b</w>') =>
    ClipTokenizer.fromVocabAndMerges(JSON.stringify(vocabulary), merged);

  test('of a vocabulary', () => {
    expect(() => ClipTokenizer.fromVocabAndMerges('{', '')).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer.fromVocabAndMerges: vocab must be JSON, got "{"]`,
    );
    expect(() => of([])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer.fromVocabAndMerges: vocab must be an object, got []]`,
    );
    expect(() => of({ a: -1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer.fromVocabAndMerges: number of "a" must be an integer >= 0, got -1]`,
    );
    expect(() => of({ a: 0 }, '')).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer: bosToken must be a token of the vocabulary, got "<|startoftext|>"]`,
    );
  });

  test('of merges', () => {
    expect(() => of(small, 'a b c')).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer.fromVocabAndMerges: merge 0 must be two parts, got "a b c"]`,
    );
    expect(() => of(small, 'a c</w>')).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer: merge 0 must be of the vocabulary, got "c</w>"]`,
    );
  });

  test('of a tokenizer.json', () => {
    const wrong = (json: unknown) => () => ClipTokenizer.fromTokenizerJson(JSON.stringify(json));
    expect(wrong([])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer.fromTokenizerJson: tokenizer.json must be an object, got []]`,
    );
    expect(wrong({ model: { type: 'Unigram' } })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer.fromTokenizerJson: model.type must be 'BPE', got "Unigram"]`,
    );
    expect(wrong({ model: { type: 'BPE', end_of_word_suffix: null } })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer.fromTokenizerJson: model.end_of_word_suffix must be '</w>', as CLIP's, got null]`,
    );
    const model = { type: 'BPE', end_of_word_suffix: '</w>', vocab: small, merges: [['a', 'b</w>']] };
    expect(wrong({ model: { ...model, merges: {} } })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer.fromTokenizerJson: model.merges must be a list, got {}]`,
    );
    expect(wrong({ model, added_tokens: {} })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer.fromTokenizerJson: added_tokens must be a list, got {}]`,
    );
    expect(wrong({ model, added_tokens: [{ id: 5 }] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer.fromTokenizerJson: added_tokens.content must be a string, got undefined]`,
    );
    expect(ClipTokenizer.fromTokenizerJson(JSON.stringify({ model })).encode('ab', { padding: false })).toEqual([
      3, 2, 4,
    ]);
  });

  test('of arguments', () => {
    const tokenizer = of(small);
    expect(() => tokenizer.encode(7 as unknown as string)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer.encode: text must be a string, got 7]`,
    );
    expect(() => tokenizer.encode('ab', { maxLength: 1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer.encode: maxLength must be an integer >= 2, got 1]`,
    );
    const whole = { maxLength: 3, truncation: false };
    expect(() => tokenizer.encode('ab ab', whole)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer.encode: text must be at most 3 tokens, begin and end included, got 4]`,
    );
    expect(() => tokenizer.decode([9])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer.decode: id must be of the vocabulary, got 9]`,
    );
    expect(
      () => new ClipTokenizer({ vocabulary: new Map(Object.entries(small)), merges: [] }, { padToken: '!' }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: ClipTokenizer: padToken must be a token of the vocabulary, got "!"]`,
    );
  });
});
