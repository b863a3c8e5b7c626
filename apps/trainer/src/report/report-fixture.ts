import sharp from 'sharp';
import type { GateCurve, ImageGrid, ModelReport, ReportData, Spectrum } from './report-data';

/** A report as a run might have made it, for tests: made by formulas, with the sizes of the paper's FFHQ models. */
export async function reportFixture(): Promise<ReportData> {
  const grid = await pictureGrid(4, 4);
  const model = (
    name: ModelReport['name'],
    label: string,
    [parameters, macs, stepsPerSecond, low, high, blur]: readonly number[],
    training: ModelReport['training'],
  ): ModelReport => ({
    name,
    label,
    description: { teacher: 'LDM UNet', lite: 'the same, narrower, trained alone', sd: 'narrow, gated, distilled' }[
      name
    ],
    parameters,
    macs,
    training,
    sampling: { sampler: 'DDIM', steps: 50, stepsPerSecond, batchSize: 16 },
    samples: grid,
    spectrum: spectrum(blur),
    errors: { low, high },
    evaluated: 128,
  });
  return {
    title: 'Slim diffusion: a teacher, Lite and Spectral Diffusion',
    subtitle: '4,096 dead-leaves images of 32 px; Teacher, Lite, SD from the same noise',
    date: '2025-01-31T12:34:56.000Z',
    backend: 'wasm: no WebGPU adapter here, so WebAssembly with SIMD',
    seed: 20230618,
    command: 'pnpm demo --seed 20230618',
    data: { description: '4,096 dead-leaves images of 32 px', grid, spectrum: spectrum(0) },
    firstStage: {
      description: 'KL, 21.3 M MACs there and back',
      parameters: 312_459,
      imageShape: [32, 32, 3],
      latentShape: [8, 8, 4],
      psnr: 27.314,
      grid: await pictureGrid(8, 2),
      errors: { low: 0.0212, high: 0.3141 },
      spectrum: spectrum(0.4),
    },
    models: [
      model('teacher', 'Teacher', [274_056_163, 96_016_000_000, 4.7123, 0.0931, 0.4523, 0.55], {
        live: false,
        steps: 8000,
        batchSize: 256,
        seconds: null,
        loss: [],
        parts: {},
      }),
      model('lite', 'Lite', [22_411_843, 7_850_000_000, 14.213, 0.1874, 0.9317, 1.2], liveTraining(0.31, 112.4, false)),
      model('sd', 'SD', [21_098_051, 6_730_000_000, 15.871, 0.1432, 0.6128, 0.8], liveTraining(0.29, 183.2, true)),
    ],
    gates: [gateCurve('input_blocks.2.0.op', 'down', 0.2), gateCurve('output_blocks.1.1.conv', 'up', -0.25)],
    timings: [
      { name: 'latents', seconds: 6.21 },
      { name: 'train lite', seconds: 112.4 },
      { name: 'distil sd', seconds: 183.2 },
      { name: 'sample teacher', seconds: 14.9 },
    ],
    findings: [
      'SD has 13.0 times fewer parameters and 14.3 times fewer MACs than the teacher, and takes 3.4 times as many steps per second.',
      'High frequencies (128 samples each): error 0.613 for SD, 0.932 for Lite; SD is closer to the data, by 34%.',
      'Low frequencies (128 samples each): error 0.143 for SD, 0.187 for Lite; SD is closer to the data, by 24%.',
      'The first stage alone has a high-frequency error of 0.314; the teacher’s samples one of 0.452.',
    ],
  };
}

/** The same numbers each time, between -0.5 and 0.5, that look like noise. */
function jitter(i: number): number {
  const x = Math.sin(12.9898 * (i + 1)) * 43758.5453;
  return x - Math.floor(x) - 0.5;
}

/** 1 / f^2, its high frequencies damped. */
function spectrum(blur: number): Spectrum {
  const frequency = Array.from({ length: 16 }, (_, i) => (i === 0 ? 0 : (i + 0.55) / 16));
  const power = frequency.map((r, i) => (0.4 / (r * r + 0.002)) * Math.exp(-blur * r + 0.15 * blur * jitter(i + 7)));
  return { frequency, power };
}

function liveTraining(floor: number, seconds: number, distilled: boolean): ModelReport['training'] {
  const curve = (scale: number, seed: number) =>
    Array.from({ length: 300 }, (_, i) => ({
      step: 1 + 2 * i,
      value: scale * (floor + 0.75 * Math.exp(-i / 30)) * Math.exp(0.35 * jitter(seed + i)),
    }));
  return {
    live: true,
    steps: 600,
    batchSize: 32,
    seconds,
    loss: curve(1, seconds).map(({ step, value }) => ({ step, loss: value })),
    parts: distilled ? { spatial: curve(0.6, 5), frequency: curve(0.05, 9) } : {},
  };
}

function gateCurve(module: string, direction: GateCurve['direction'], slope: number): GateCurve {
  const t = [1, 100, 200, 300, 400, 500, 600, 700, 800, 900, 999];
  const band = (start: number, tilt: number) => ({
    mean: t.map((x) => start + (slope * tilt * x) / 1000 + 0.03 * Math.sin(x / 150)),
    deviation: t.map((x) => 0.04 + 0.03 * Math.abs(Math.cos(x / 300))),
  });
  return {
    module,
    direction,
    t,
    bands: { ll: band(0.7, 0.8), lh: band(0.55, -0.6), hl: band(0.5, -0.9), hh: band(0.42, -1.2) },
  };
}

/** A PNG of colored squares. */
async function pictureGrid(columns: number, rows: number): Promise<ImageGrid> {
  const [width, height] = [columns * 24, rows * 24];
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return 128 + 200 * jitter(Math.floor(x / 6) * 7 + Math.floor(y / 6) * 31 + (i % 3));
  });
  const png = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  return { dataUri: `data:image/png;base64,${png.toString('base64')}`, width, height, columns, rows };
}
