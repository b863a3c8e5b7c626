import { log10OrGap, logYAxis, PLOT, xAxis } from '../report/charts/axes';
import { lineSeries, type Point } from '../report/charts/line-series';
import { renderChart } from '../report/charts/render-chart';
import { standaloneSvg } from '../report/charts/standalone-svg';
import type { LineStyle } from '../report/line-style';

/** What was measured of a sampler at a number of steps. */
export type QualityRow = {
  readonly sampler: string;
  readonly steps: number;
  /** Calls of the model. */
  readonly calls: number;
  /** Frequency errors against the data, in nats. */
  readonly low: number;
  readonly high: number;
  /** From the reference solution of the same noise, relative; of deterministic samplers. */
  readonly distance?: number;
};

export type QualityFacts = {
  /** The script with its options. */
  readonly command: string;
  readonly samples: number;
  readonly dataImages: number;
  readonly referenceSteps: number;
};

// Okabe and Ito's palette, legible on white with every common color blindness; dashes tell the second round apart.
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#4d4d4d'];
const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond'] as const;

function styleOf(index: number): LineStyle {
  return {
    color: COLORS[index % COLORS.length],
    dash: index < COLORS.length ? [] : [6, 3],
    symbol: SYMBOLS[index % SYMBOLS.length],
    width: 1.75,
  };
}

const TITLE = 'Relative distance from the reference over calls of the model';
const SIZE = { width: 660, height: 400 } as const;

/** Distance from the reference over calls of the model, both logarithmic, as the text of an SVG file. */
export function qualityChart(rows: readonly QualityRow[]): string {
  const measured = rows.filter((row) => row.distance !== undefined);
  const samplers = [...new Set(measured.map(({ sampler }) => sampler))];
  const lines = samplers.map((sampler) =>
    measured
      .filter((row) => row.sampler === sampler)
      .map(({ calls, distance = Number.NaN }): Point => [Math.log2(calls), log10OrGap(distance)]),
  );
  const calls = measured.map((row) => Math.log2(row.calls));
  const svg = renderChart(
    'quality',
    {
      grid: { ...PLOT, right: 116 },
      backgroundColor: '#fff',
      xAxis: xAxis('calls of the model', {
        min: Math.floor(Math.min(...calls)),
        max: Math.ceil(Math.max(...calls)),
        format: (value) => String(Math.round(2 ** value)),
      }),
      yAxis: logYAxis(
        'relative distance from the reference',
        lines.flat().map(([, y]) => y),
      ),
      series: lines.map((points, i) => lineSeries(points, styleOf(i))),
    },
    SIZE,
  );
  const legend = samplers.map((sampler, i) => legendEntry(sampler, styleOf(i), 36 + 20 * i)).join('');
  return standaloneSvg(svg, { ...SIZE, title: TITLE, rest: legend });
}

function legendEntry(name: string, { color, dash, width }: LineStyle, y: number): string {
  const line = `<path d="M554 ${y}h20" stroke="${color}" stroke-width="${width}" stroke-dasharray="${dash.join(' ') || 'none'}"/>`;
  return `${line}<text x="579" y="${y + 4}" font-family="system-ui, sans-serif" font-size="12" fill="#555">${name}</text>`;
}

/** The page, as Markdown. */
export function qualityPage(
  rows: readonly QualityRow[],
  { command, samples, dataImages, referenceSteps }: QualityFacts,
): string {
  const header = ['sampler', 'steps', 'calls', 'low-frequency error', 'high-frequency error', 'distance'];
  const cells = rows.map(({ sampler, steps, calls, low, high, distance }) => [
    `\`${sampler}\``,
    String(steps),
    String(calls),
    low.toFixed(3),
    high.toFixed(3),
    distance === undefined ? '-' : distance.toPrecision(2),
  ]);
  const widths = header.map((name, i) => Math.max(name.length, ...cells.map((row) => row[i].length)));
  const line = (row: readonly string[]) => `| ${row.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  return `# Quality against steps

Made by \`npx pnpm@10 ${command}\`; do not edit.

The shipped teacher and first stage of the demo, ${samples} samples of one seed, the same start noise for every sampler, drawn as
\`sd sample --sampler NAME\` does.

- **Errors**: of the images' mean log-power spectrum against that of ${dataImages.toLocaleString('en')} images of the training data, below and above a
  quarter of the Nyquist frequency, in nats (\`frequencyErrors\` of @sd/spectral-loss). They have a floor, which is the model's and
  that of ${samples} samples.
- **Distance**: of the latents from DDIM with ${referenceSteps} steps from the same noise: root mean square of the difference over that of
  the reference. Of samplers that draw no noise; their timesteps end where each sampler's own do, and DDIM's ${referenceSteps} steps are
  a reference and not the exact solution.
- **Calls**: of the model; Heun and the first step of some samplers take more than one for a step.

![Relative distance from the reference over calls of the model](quality-against-steps.svg)

${[line(header), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n')}
`;
}
