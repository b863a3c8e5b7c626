import { expect, test } from 'vitest';
import { qualityChart, qualityPage } from './quality-page';

const rows = [
  { sampler: 'ddim', steps: 5, calls: 5, low: 0.5, high: 0.25, distance: 0.125 },
  { sampler: 'ddim', steps: 10, calls: 10, low: 0.4, high: 0.2, distance: 0.0625 },
  { sampler: 'ddpm', steps: 5, calls: 5, low: 0.6, high: 0.3 },
];

test('the page has a row for each measurement, and says what was measured', () => {
  const page = qualityPage(rows, {
    command: 'quality-against-steps',
    samples: 16,
    dataImages: 1024,
    referenceSteps: 200,
  });
  const cells = page
    .split('\n')
    .flatMap((line) => (line.startsWith('| `') ? [line.split(/\s*\|\s*/).slice(1, -1)] : []));
  expect(cells).toEqual([
    ['`ddim`', '5', '5', '0.500', '0.250', '0.13'],
    ['`ddim`', '10', '10', '0.400', '0.200', '0.063'],
    ['`ddpm`', '5', '5', '0.600', '0.300', '-'],
  ]);
  expect(page).toContain('`npx pnpm@10 quality-against-steps`');
  expect(page).toContain('16 samples of one seed');
});

test('the chart stands alone, and shows the samplers whose distance is known', () => {
  const chart = qualityChart(rows);
  expect(chart).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="660" height="400"/);
  expect(chart).not.toContain('var(--');
  expect(chart).toContain('>ddim</text>');
  expect(chart).not.toContain('ddpm');
});
