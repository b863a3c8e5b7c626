import { expect, test } from 'vitest';

test('the public surface', async () => {
  expect(Object.keys(await import('./index')).sort()).toMatchInlineSnapshot();
});
