import { presets } from '@sd/unet';
import { expect, test } from 'vitest';
import { estimateTable } from './estimate-table';
import { fullScaleWorks, samplingMacs, trainingMacs } from './training-works';

// MACs of a latent as counted from the reference UNet.
const SD_CHURCH = 2_108_475_904;

test('training is a forward pass and a backward one of twice its size, and the teacher’s forward pass', () => {
  const unet = presets['sd-lsun-church'];
  expect(trainingMacs({ unet, batch: 3, steps: 5 })).toBe(15 * 3 * SD_CHURCH);
  expect(trainingMacs({ unet, teacher: unet, batch: 3, steps: 5 })).toBe(15 * 4 * SD_CHURCH);
});

test('a guided sample takes two passes a step', () => {
  const unet = presets['sd-lsun-church'];
  expect(samplingMacs(unet, 7, 200)).toBe(1400 * SD_CHURCH);
  expect(samplingMacs(unet, 7, 200, true)).toBe(2800 * SD_CHURCH);
});

test('the paper’s scale has the ablation with its seeds, the tables, and what is drawn of their models', () => {
  const works = fullScaleWorks();
  expect(works.map(({ name }) => name)).toEqual([
    'table5',
    'table2',
    'table3',
    'table4',
    'table1',
    'fig1',
    'fig2',
    'fig10',
  ]);
  expect(works[0].what).toBe('the teacher and 41 students, 150,000 steps of 512; 50,000 samples at 4 steps of each');
  // LDM 96.02 G, Lite 7.85 G, SD 6.73 G: 150,000 x 512 x (3 x 96.02 + 9 x 3 x 7.85 + ...) and so on, by hand from the table.
  const ldm = 96.02;
  const [lite, sd] = [7.85, 6.73];
  const taught = 3 * (3 * lite + ldm) + 9 * (3 * sd + ldm); // without gates, with them
  const rows = 3 * 3 * lite + 3 * 3 * sd + 2 * taught; // compared by features, by the output alone
  const variants = 11 * (3 * sd + ldm); // one of them fuses by a sum, which is a little slimmer
  const expected = 150_000 * 512 * 1e9 * (3 * ldm + rows + variants);
  expect(works[0].training / expected).toBeCloseTo(1, 2);
});

test('an estimate is a table that says how it was made', () => {
  const { note, rows } = estimateTable({
    format: 'sd-estimate-1',
    date: '2026-01-02T00:00:00Z',
    backend: 'webgpu (a device)',
    batch: 16,
    stepSeconds: 0.5,
    trainingRate: 3e12,
    samplingRate: 4e12,
    works: [
      { name: 'a', what: 'b', training: 1.5e18, sampling: 2e15, hours: 1234.5 },
      { name: 'c', what: 'd', training: 0, sampling: 2e15, hours: 1.234 },
    ],
  });
  expect(note).toMatchInlineSnapshot(
    `"Multiply-accumulates over those of a measured step: SD of FFHQ distilled from LDM, 16 at once, 0.500 s, 3.00 T MACs/s; sampling at the 4.00 T MACs/s of SD’s forward pass. 2026-01-02, webgpu (a device). First stages, decoding and evaluation are not counted."`,
  );
  expect(rows).toEqual([
    ['a', 'b', '1.50e+18', '2.00e+15', '1,235'],
    ['c', 'd', null, '2.00e+15', '1.2'],
  ]);
});
