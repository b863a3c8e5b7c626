import { expect, test } from 'vitest';
import { quote } from './quote';

test('a name is quoted as JSON and cut after 60 characters', () => {
  expect(quote('a\n"')).toBe('"a\\n\\""');
  expect(quote('x'.repeat(60))).toBe(`"${'x'.repeat(60)}"`);
  expect(quote('x'.repeat(61))).toBe(`"${'x'.repeat(60)}"... (61 characters)`);
});

test('invisible characters and those that turn the line around are escaped', () => {
  expect(quote('\ufeffa\u202eb\u009b\u2028\u{e0001}')).toBe('"\\ufeffa\\u202eb\\u009b\\u2028\\udb40\\udc01"');
  expect(quote('Größe 🌊')).toBe('"Größe 🌊"');
});
