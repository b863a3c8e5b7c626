import { extent, log10OrGap, logTicks, logYAxis, PLOT, xAxis, yAxis } from '../../report/charts/axes';
import { lineSeries, type Point } from '../../report/charts/line-series';
import { renderChart } from '../../report/charts/render-chart';
import { escapeXml, standaloneSvg } from '../../report/charts/standalone-svg';
import { formatCount, formatLogTick } from '../../report/format';
import type { LineStyle } from '../../report/line-style';

export type Axis = {
  readonly name: string;
  readonly logarithmic?: boolean;
  readonly min?: number;
  readonly max?: number;
  /** Values with a label, of a logarithmic horizontal axis; round ones by default. */
  readonly ticks?: readonly number[];
};

export type FigureLine = {
  readonly label: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Shaded on either side of each point. */
  readonly deviation?: readonly number[];
  readonly style?: Partial<LineStyle>;
};

export type LineFigure = {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly FigureLine[];
};

const CHART = { width: 460, height: 320 } as const;
const LEGEND = { line: 24, row: 18, character: 6.6, gap: 8 } as const;

/** Pixels across a symbol on a line, and of a point that stands alone. */
const SYMBOL = 5;
const LONE_SYMBOL = 11;

// Okabe and Ito's palette, legible on white with every common color blindness; dashes tell the second round apart.
const PALETTE = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#4d4d4d'];

/** How the i-th line of a figure looks unless it says so itself. */
export function paletteLine(index: number): LineStyle {
  return {
    color: PALETTE[index % PALETTE.length],
    dash: index < PALETTE.length ? [] : [6, 3],
    symbol: 'none',
    width: 1.75,
  };
}

/** Lines over an axis with a legend beside them, as the text of an SVG file. */
export function lineFigure({ title, x, y, lines }: LineFigure): string {
  const styles = lines.map(({ style }, i): LineStyle => ({ ...paletteLine(i), ...style }));
  const scaled = lines.map(({ points }) =>
    points.map(([px, py]): Point => [along(x, px) ?? Number.NaN, along(y, py)]).filter(([px]) => Number.isFinite(px)),
  );
  const shades = lines.flatMap(({ points, deviation }, i) =>
    deviation ? [shadeSeries(points, deviation, x, y, styles[i].color)] : [],
  );
  const legendWidth =
    LEGEND.gap * 2 + LEGEND.line + LEGEND.character * Math.max(...lines.map(({ label }) => label.length));
  const width = Math.ceil(CHART.width + legendWidth);
  const svg = renderChart(
    'figure',
    {
      grid: { ...PLOT, right: legendWidth + PLOT.right, left: PLOT.left + 10 },
      backgroundColor: '#fff',
      xAxis: horizontal(
        x,
        scaled.flatMap((points) => points.map(([px]) => px)),
      ),
      yAxis: vertical(
        y,
        scaled.flatMap((points) => points.map(([, py]) => py)),
      ),
      series: [
        ...shades,
        ...scaled.map((points, i) => lineSeries(points, styles[i], points.length === 1 ? LONE_SYMBOL : SYMBOL)),
      ],
    },
    { width, height: CHART.height },
  );
  const left = CHART.width + LEGEND.gap;
  const legend = lines
    .map(({ label, points }, i) => legendRow(label, styles[i], points.length, left, PLOT.top + 6 + LEGEND.row * i))
    .join('');
  return standaloneSvg(svg, { title, width, height: CHART.height, rest: legend });
}

function along({ logarithmic }: Axis, value: number): number | null {
  if (logarithmic) return log10OrGap(value);
  return Number.isFinite(value) ? value : null;
}

function horizontal(axis: Axis, values: readonly number[]) {
  const { min, max } = range(axis, values);
  const base = xAxis(axis.name, { min, max });
  if (!axis.logarithmic) return base;
  const ticks = axis.ticks ? axis.ticks.map(Math.log10) : logTicks(min, max);
  const formatter = axis.ticks ? (exponent: number) => formatCount(10 ** exponent) : formatLogTick;
  return {
    ...base,
    axisTick: { ...base.axisTick, customValues: ticks },
    axisLabel: { ...base.axisLabel, customValues: ticks, formatter },
  };
}

function vertical(axis: Axis, values: readonly (number | null)[]) {
  // Otherwise echarts puts the name where the horizontal axis is 0.
  const fixed = { axisLine: { show: false, onZero: false } };
  if (axis.logarithmic) {
    const { min, max } = range(axis, values);
    return { ...logYAxis(axis.name, [min, max]), ...fixed };
  }
  const { min, max } = axis;
  return yAxis(axis.name, {
    ...fixed,
    scale: true,
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
  });
}

/** The axis's own ends, else those of the values; as they are drawn. */
function range(axis: Axis, values: readonly (number | null)[]) {
  const own = extent(values, 0);
  const end = (value: number | undefined, otherwise: number) =>
    value === undefined ? otherwise : (along(axis, value) ?? otherwise);
  return { min: end(axis.min, own.min), max: end(axis.max, own.max) };
}

type Drawing = { coord(point: readonly [number, number]): readonly number[] };

/** The area between y - deviation and y + deviation. */
function shadeSeries(
  points: FigureLine['points'],
  deviation: readonly number[],
  x: Axis,
  y: Axis,
  color: string,
): object {
  const edge = (sign: number) =>
    points.flatMap(([px, py], i): [number, number][] => {
      const shifted = Math.min(y.max ?? Infinity, Math.max(y.min ?? -Infinity, py + sign * deviation[i]));
      const place = [along(x, px), along(y, shifted)];
      return place[0] === null || place[1] === null ? [] : [[place[0], place[1]]];
    });
  const outline = [...edge(1), ...edge(-1).reverse()];
  return {
    type: 'custom',
    silent: true,
    clip: true,
    data: outline, // for the range of the axes
    z: 1,
    renderItem: ({ dataIndex }: { readonly dataIndex: number }, api: Drawing) =>
      dataIndex > 0
        ? undefined
        : {
            type: 'polygon',
            shape: { points: outline.map((point) => api.coord(point)) },
            style: { fill: color, opacity: 0.13 },
          },
  };
}

/** A piece of the line with its symbol; the symbol alone where the line is a single point. */
function legendRow(label: string, style: LineStyle, points: number, x: number, y: number): string {
  const { color, dash, width, symbol } = style;
  const dashes = dash.length > 0 ? ` stroke-dasharray="${dash.join(' ')}"` : '';
  const length = LEGEND.line - 4;
  const line =
    points === 1 ? '' : `<path d="M${x} ${y}h${length}" stroke="${color}" stroke-width="${width}"${dashes}/>`;
  const radius = (points === 1 ? LONE_SYMBOL : SYMBOL) / 2;
  const mark = symbol === 'none' ? '' : `<circle cx="${x + length / 2}" cy="${y}" r="${radius}" fill="${color}"/>`;
  return `${line}${mark}<text x="${x + LEGEND.line}" y="${y + 4}" font-family="system-ui, sans-serif" font-size="12" fill="#333">${escapeXml(label)}</text>`;
}
