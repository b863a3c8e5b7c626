import { ArgumentError, checkInteger } from '@sd/core';
import { alphabetToText, bytesToAlphabet } from './byte-alphabet';
import { BytePairEncoding, END_OF_WORD } from './byte-pair-encoding';
import { parseTokenizerJson, parseVocabAndMerges, type TokenizerFiles } from './tokenizer-files';

export type ClipTokenizerOptions = {
  /** Begin of a text. Default `<|startoftext|>`. */
  readonly bosToken?: string;
  /** End of a text, and what stands for letters that the vocabulary does not have. Default `<|endoftext|>`. */
  readonly eosToken?: string;
  /** What fills texts up. Default the end token; Stable Diffusion 2 has `!`. */
  readonly padToken?: string;
  /** Tokens of a text, begin and end included. Default 77. */
  readonly maxLength?: number;
};

export type EncodeOptions = {
  /** Tokens of the text, begin and end included. Default the tokenizer's. */
  readonly maxLength?: number;
  /** Fill shorter texts up to `maxLength`. Default true. */
  readonly padding?: boolean;
  /** Cut longer texts; the last token is the end then, too. Without it they are an error. Default true. */
  readonly truncation?: boolean;
};

/** Words: English endings, letters, one digit, other signs; and the names of special tokens in capital letters. */
const WORDS = /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;
/** What such a name is cut into: it is no special token in lower case, but ends the signs before it. */
const NAME = /^<\|(startoftext|endoftext)\|>$/;

/** Words that are kept with their tokens: prompts repeat few. */
const CACHED_WORDS = 10_000;

/**
 * CLIP's tokenizer (Radford et al. 2021): text in lower case, cut into words, each by byte-pair encoding of its UTF-8
 * bytes; value for value transformers' CLIPTokenizer of version 5. The vocabulary is the user's.
 */
export class ClipTokenizer {
  readonly bosTokenId: number;
  readonly eosTokenId: number;
  readonly padTokenId: number;
  readonly maxLength: number;
  readonly #vocabulary: ReadonlyMap<string, number>;
  readonly #tokens: ReadonlyMap<number, string>;
  readonly #encoding: BytePairEncoding;
  readonly #special: ReadonlyMap<string, number>;
  /** Cuts a text before and after every special token, which it keeps. */
  readonly #splitter: RegExp;
  readonly #cache = new Map<string, readonly number[]>();

  /**
   * @param files vocabulary and merges; `fromVocabAndMerges` and `fromTokenizerJson` read them.
   * @throws {ArgumentError} on a vocabulary that lacks a special token, on merges that do not fit it.
   */
  constructor({ vocabulary, merges }: TokenizerFiles, options: ClipTokenizerOptions = {}) {
    const operation = 'ClipTokenizer';
    const { bosToken = '<|startoftext|>', eosToken = '<|endoftext|>', padToken = eosToken, maxLength = 77 } = options;
    checkInteger(operation, 'maxLength', maxLength, 2);
    const idOf = (name: string, token: string) => {
      const id = vocabulary.get(token);
      if (id === undefined) throw new ArgumentError(operation, name, 'a token of the vocabulary', token);
      return id;
    };
    this.bosTokenId = idOf('bosToken', bosToken);
    this.eosTokenId = idOf('eosToken', eosToken);
    this.padTokenId = idOf('padToken', padToken);
    this.maxLength = maxLength;
    this.#vocabulary = vocabulary;
    this.#tokens = new Map([...vocabulary].map(([token, id]) => [id, token]));
    this.#encoding = new BytePairEncoding(operation, vocabulary, merges);
    this.#special = new Map([
      [bosToken, this.bosTokenId],
      [eosToken, this.eosTokenId],
      [padToken, this.padTokenId],
    ]);
    const names = [...this.#special.keys()].sort((a, b) => b.length - a.length);
    this.#splitter = new RegExp(`(${names.map(escaped).join('|')})`, 'u');
  }

  /**
   * Of the texts of `vocab.json` and `merges.txt`, as beside every CLIP of Hugging Face.
   * @throws {ArgumentError} on something else, and as the constructor.
   */
  static fromVocabAndMerges(vocab: string, merges: string, options: ClipTokenizerOptions = {}): ClipTokenizer {
    return new ClipTokenizer(parseVocabAndMerges('ClipTokenizer.fromVocabAndMerges', vocab, merges), options);
  }

  /** Of the text of a `tokenizer.json`. @throws {ArgumentError} on something else, and as the constructor. */
  static fromTokenizerJson(json: string, options: ClipTokenizerOptions = {}): ClipTokenizer {
    return new ClipTokenizer(parseTokenizerJson('ClipTokenizer.fromTokenizerJson', json), options);
  }

  /** One more than the largest token. */
  get vocabSize(): number {
    let largest = -1;
    for (const id of this.#tokens.keys()) largest = Math.max(largest, id);
    return largest + 1;
  }

  /**
   * Begin, the text's tokens, end; filled up to 77 tokens by default, and cut there.
   * @throws {ArgumentError} on something else than text; on a text that is too long, if `truncation` is false.
   */
  encode(text: string, options: EncodeOptions = {}): number[] {
    const operation = 'ClipTokenizer.encode';
    const { maxLength = this.maxLength, padding = true, truncation = true } = options;
    if (typeof text !== 'string') throw new ArgumentError(operation, 'text', 'a string', text);
    checkInteger(operation, 'maxLength', maxLength, 2);
    const ids = this.#tokensOf(text);
    if (ids.length > maxLength - 2 && !truncation) {
      throw new ArgumentError(operation, 'text', `at most ${maxLength} tokens, begin and end included`, ids.length + 2);
    }
    const result = [this.bosTokenId, ...ids.slice(0, maxLength - 2), this.eosTokenId];
    while (padding && result.length < maxLength) result.push(this.padTokenId);
    return result;
  }

  /** `encode` of every text: what `ClipTextModel.forward` takes. @throws {ArgumentError} as `encode`. */
  encodeAll(texts: readonly string[], options: EncodeOptions = {}): number[][] {
    return texts.map((text) => this.encode(text, options));
  }

  /**
   * The text of tokens, in lower case, a space after every word; begin, end and padding are left out.
   * @throws {ArgumentError} on a token that the vocabulary does not have.
   */
  decode(ids: readonly number[]): string {
    const special = new Set(this.#special.values());
    const letters = ids
      .filter((id) => !special.has(id))
      .map((id) => {
        const token = this.#tokens.get(id);
        if (token === undefined) throw new ArgumentError('ClipTokenizer.decode', 'id', 'of the vocabulary', id);
        return token;
      });
    const words = letters.join('').split(END_OF_WORD);
    return words.map(alphabetToText).join(' ').trim();
  }

  #tokensOf(text: string): number[] {
    const result: number[] = [];
    for (const piece of text.split(this.#splitter)) {
      const special = this.#special.get(piece);
      if (special !== undefined) result.push(special);
      else for (const word of wordsOf(piece)) for (const id of this.#word(word)) result.push(id);
    }
    return result;
  }

  #word(word: string): readonly number[] {
    const known = this.#cache.get(word);
    if (known !== undefined) return known;
    const parts = this.#encoding.split(bytesToAlphabet(word));
    const ids = parts.map((part) => this.#vocabulary.get(part) ?? this.eosTokenId);
    if (this.#cache.size >= CACHED_WORDS) this.#cache.clear();
    this.#cache.set(word, ids);
    return ids;
  }
}

/** The text as a regular expression for itself. */
function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

function* wordsOf(text: string): Iterable<string> {
  for (const [word] of normalized(text).matchAll(WORDS)) {
    const name = NAME.exec(word)?.[1];
    yield* name === undefined ? [word] : ['<|', name, '|>'];
  }
}

/** Composed characters, single spaces, lower case by character (a sigma at a word's end stays one). */
function normalized(text: string): string {
  const spaced = text.normalize('NFC').replace(/\p{White_Space}+/gu, ' ');
  return Array.from(spaced, (character) => character.toLowerCase()).join('');
}
