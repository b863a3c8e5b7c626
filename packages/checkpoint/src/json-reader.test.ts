import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JsonReader } from './json-reader';
import { isWellFormed } from './unicode';

const readerOf = (text: string) => new JsonReader(text, (expected, actual) => new Error(`${expected}, got ${actual}`));

/** The whole text as JSON.parse would give it, but objects as entries and numbers as written. */
function read(text: string): unknown {
  const json = readerOf(text);
  const value = (): unknown => {
    switch (json.kind()) {
      case 'an object': {
        const entries: [string, unknown][] = [];
        json.object((key) => entries.push([key, value()]));
        return { entries };
      }
      case 'an array': {
        const items: unknown[] = [];
        json.array((i) => {
          items[i] = value();
        });
        return items;
      }
      case 'a string':
        return json.string();
      case 'a number':
        return { number: json.number() };
      case 'true':
      case 'false':
      case 'null': {
        const word = json.kind();
        json.ignore();
        return word;
      }
    }
  };
  const result = value();
  json.end();
  return result;
}

function reference(value: unknown): unknown {
  if (value === null || typeof value === 'boolean') return `${value}`;
  if (typeof value === 'number') return { number: JSON.stringify(value) };
  if (typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(reference);
  return { entries: Object.entries(value).map(([key, item]) => [key, reference(item)]) };
}

test('any JSON value is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'grapheme' }), fc.constantFrom(0, 1), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      expect(read(text)).toEqual(reference(JSON.parse(text)));
    }),
    { seed: 1, numRuns: 300 },
  );
});

test('ignore takes and refuses the same texts as JSON.parse, but for lone surrogates', () => {
  const pieces = ['{', '}', '[', ']', ',', ':', '"', '"a"', '\\', '\\u00e9', '0', '1', '-', '.', 'e', '+', ' ', '\n'];
  const piece = fc.constantFrom(...pieces, 'true', 'null', 'false', 'tru', '\u0001', '"\\ud800"', 'é', '\u00a0');
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (parts) => {
      const text = parts.join('');
      const verdict = (parse: () => void) => {
        try {
          parse();
          return true;
        } catch {
          return false;
        }
      };
      const ours = verdict(() => {
        const json = readerOf(text);
        json.ignore();
        json.end();
      });
      let wellFormed = true;
      const theirs = verdict(() =>
        JSON.parse(text, (key, value) => {
          wellFormed &&= isWellFormed(key) && (typeof value !== 'string' || isWellFormed(value));
          return value;
        }),
      );
      if (ours) accepted++;
      expect(ours, text).toBe(theirs && wellFormed);
    }),
    { seed: 1, numRuns: 20_000 },
  );
  expect(accepted).toBeGreaterThan(500);
});

test.each([
  ['', 'JSON, got its end at character 0'],
  ['{"a":1', 'JSON, got its end at character 6'],
  ['"abc', 'JSON, got its end at character 4'],
  ['[1 2]', 'JSON, got "2" at character 3'],
  ['{"a" 1}', 'JSON, got "1" at character 5'],
  ['{a:1}', 'JSON, got "a" at character 1'],
  ['-', 'JSON, got its end at character 1'],
  ['1.e', 'JSON, got "e" at character 2'],
  ['nul', 'JSON, got its end at character 3'],
  ['1 🌊', 'JSON, got "🌊" at character 2'],
  ['"a\nb"', 'JSON, got "\\n" at character 2'],
  ['["\\x41"]', 'JSON, got a bad escape in "\\"\\\\x41\\"" at character 1'],
  ['"\\udf0a"', 'JSON, got a lone surrogate in "\\"\\\\udf0a\\"" at character 0'],
])('%s is refused with its place', (text, message) => {
  expect(() => read(text)).toThrow(new Error(message));
});

test('ignored values nest at most 128 levels deep', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
  expect(() => readerOf(nested(129)).ignore()).not.toThrow();
  expect(() => readerOf(nested(1e6)).ignore()).toThrow(
    new Error('nested at most 128 levels deep, got more at character 129'),
  );
});

test('strings and numbers of megabytes are read in linear time', () => {
  const start = performance.now();
  expect((read(`"${'é\\n'.repeat(1e6)}"`) as string).length).toBe(2e6);
  expect(read('7'.repeat(3e6))).toEqual({ number: '7'.repeat(3e6) });
  expect(performance.now() - start).toBeLessThan(5000);
});
