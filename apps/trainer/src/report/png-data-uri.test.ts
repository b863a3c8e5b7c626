import { expect, test } from 'vitest';
import { checkPng } from './png-data-uri';
import { reportFixture } from './report-fixture';

const { grid } = (await reportFixture()).data;

test('a PNG passes as it is', () => {
  expect(checkPng(grid, 'grid')).toBe(grid.dataUri);
});

test('nothing else passes', () => {
  const head = 'data:image/png;base64,';
  const others = [
    'https://example.org/a.png',
    `data:image/svg+xml;base64,${btoa('<svg xmlns="http://www.w3.org/2000/svg"/>')}`,
    head,
    `${head}${btoa('GIF89a, or so it says; and some more bytes')}`,
    grid.dataUri.slice(0, 40),
    `${grid.dataUri}" onerror="alert(1)`,
    ` ${grid.dataUri}`,
    grid.dataUri.replace('image/png', 'text/html'),
  ];
  for (const dataUri of others) {
    expect(() => checkPng({ ...grid, dataUri }, 'grid'), dataUri.slice(0, 60)).toThrow('renderReport: grid must be');
  }
  expect(() => checkPng({ ...grid, dataUri: others[0] }, 'sd grid')).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: renderReport: sd grid must be a PNG of 96x96 as a data URI, got "https://example.org/a.png"]`,
  );
  expect(() => checkPng({ ...grid, dataUri: '', width: 7 }, 'sd grid')).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: renderReport: sd grid must be a PNG of 7x96 as a data URI, got ""]`,
  );
});

test('a PNG of another size than it says does not pass', () => {
  expect(() => checkPng({ ...grid, width: grid.width + 1 }, 'grid')).toThrow(
    `a PNG of ${grid.width + 1}x${grid.height}`,
  );
  expect(() => checkPng({ ...grid, height: 1 }, 'grid')).toThrow(`a PNG of ${grid.width}x1`);
});
