import { quote } from './quote';
import { isWellFormed } from './unicode';

/** What the next value is, in words for a message. */
export type JsonKind = 'an object' | 'an array' | 'a string' | 'a number' | 'true' | 'false' | 'null';

const KINDS: ReadonlyMap<string, JsonKind> = new Map<string, JsonKind>([
  ['{', 'an object'],
  ['[', 'an array'],
  ['"', 'a string'],
  ['t', 'true'],
  ['f', 'false'],
  ['n', 'null'],
  ...Array.from('-0123456789', (character): [string, JsonKind] => [character, 'a number']),
]);
const MAX_DEPTH = 128;

/**
 * Reads JSON (RFC 8259) value by value, as its caller asks, so that a hostile text never becomes a tree many times its
 * size. Stricter than JSON.parse: lone surrogates and deep nesting are refused; numbers keep their spelling. Time is
 * linear in the text.
 *
 * Each method reads one value and throws what `fail(expected, actual)` returns where the text is not JSON. Where the
 * value is of another kind than the method's, that counts as not JSON: ask `kind()` first.
 */
export class JsonReader {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly fail: (expected: string, actual: string) => Error,
  ) {}

  /** The kind of the value that comes next. */
  kind(): JsonKind {
    this.space();
    const kind = KINDS.get(this.text.charAt(this.at));
    if (kind === undefined) throw this.unexpected();
    return kind;
  }

  /** Reads an object; `member` is called after each key and must read the key's value. Keys may come twice. */
  object(member: (key: string) => void): void {
    this.require('{');
    if (this.take('}')) return;
    do {
      const key = this.string();
      this.require(':');
      member(key);
    } while (this.take(','));
    this.require('}');
  }

  /** Reads an array; `item` is called before each item, with its index, and must read it. */
  array(item: (index: number) => void): void {
    this.require('[');
    if (this.take(']')) return;
    let index = 0;
    do item(index++);
    while (this.take(','));
    this.require(']');
  }

  string(): string {
    this.space();
    const { text } = this;
    const start = this.at;
    if (text[start] !== '"') throw this.unexpected();
    let escaped = false;
    for (let i = start + 1; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code === 0x22) {
        this.at = i + 1;
        return escaped ? this.unescape(start) : text.slice(start + 1, i);
      }
      if (code < 0x20) {
        this.at = i;
        throw this.unexpected();
      }
      if (code === 0x5c) {
        escaped = true;
        i++;
      }
    }
    this.at = text.length;
    throw this.unexpected();
  }

  /** Reads a number and returns its spelling. */
  number(): string {
    this.space();
    const start = this.at;
    this.skip('-');
    if (!this.skip('0')) this.digits();
    if (this.skip('.')) this.digits();
    if (this.skip('e') || this.skip('E')) {
      if (!this.skip('+')) this.skip('-');
      this.digits();
    }
    return this.text.slice(start, this.at);
  }

  /** Reads a value of any kind and forgets it. */
  ignore(depth = 0): void {
    if (depth > MAX_DEPTH) {
      throw this.fail(`nested at most ${MAX_DEPTH} levels deep`, `more at character ${this.at}`);
    }
    const kind = this.kind();
    if (kind === 'an object') this.object(() => this.ignore(depth + 1));
    else if (kind === 'an array') this.array(() => this.ignore(depth + 1));
    else if (kind === 'a string') this.string();
    else if (kind === 'a number') this.number();
    else for (const character of kind) this.require(character, false);
  }

  /** Checks that nothing but white space is left. */
  end(): void {
    this.space();
    if (this.at < this.text.length) throw this.unexpected();
  }

  /** The string token from `start` to here, its escapes resolved. */
  private unescape(start: number): string {
    const token = this.text.slice(start, this.at);
    let result: string;
    try {
      result = JSON.parse(token) as string;
    } catch {
      throw this.fail('JSON', `a bad escape in ${quote(token)} at character ${start}`);
    }
    if (!isWellFormed(result)) throw this.fail('JSON', `a lone surrogate in ${quote(token)} at character ${start}`);
    return result;
  }

  private digits(): void {
    const start = this.at;
    for (let code = this.text.charCodeAt(this.at); code >= 0x30 && code <= 0x39; ) {
      code = this.text.charCodeAt(++this.at);
    }
    if (this.at === start) throw this.unexpected();
  }

  private space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.at++;
    }
  }

  /** Steps over `character` if it comes next. */
  private skip(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private take(character: string): boolean {
    this.space();
    return this.skip(character);
  }

  private require(character: string, spaceBefore = true): void {
    if (spaceBefore) this.space();
    if (!this.skip(character)) throw this.unexpected();
  }

  private unexpected(): Error {
    const code = this.text.codePointAt(this.at);
    const found = code === undefined ? 'its end' : quote(String.fromCodePoint(code));
    return this.fail('JSON', `${found} at character ${this.at}`);
  }
}
