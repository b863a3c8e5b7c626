import { expect, test } from 'vitest';
import { pictureFigure } from './picture-figure';

const picture = (label: string, width: number, height = 100) => ({
  label,
  grid: { dataUri: `data:image/png;base64,${label}`, width, height, columns: 1, rows: 1 },
});

/** Sizes of a figure and the places of its images. */
function layout(svg: string) {
  const [, width, height] = svg.match(/width="(\d+)" height="(\d+)"/) ?? [];
  return {
    size: [Number(width), Number(height)],
    images: [...svg.matchAll(/<image x="(\d+)" y="(\d+)"/g)].map(([, x, y]) => [Number(x), Number(y)]),
  };
}

test('pictures stand side by side under their names where they fit', () => {
  const svg = pictureFigure('a & b', [picture('one', 100), picture('<two>', 200, 150)]);
  expect(layout(svg)).toEqual({
    size: [324, 174],
    images: [
      [0, 24],
      [124, 24],
    ],
  });
  expect(svg).toContain('<title>a &amp; b</title>');
  expect(svg).toContain('>&lt;two&gt;</text>');
});

test('more of them make rows of about the same number', () => {
  const four = pictureFigure(
    'four',
    ['a', 'b', 'c', 'd'].map((label) => picture(label, 400)),
  );
  expect(layout(four)).toEqual({
    size: [824, 272],
    images: [
      [0, 24],
      [424, 24],
      [0, 172],
      [424, 172],
    ],
  });
  expect(layout(pictureFigure('wide', [picture('a', 1000), picture('b', 1000)])).size).toEqual([1000, 272]);
});
