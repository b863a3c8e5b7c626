import { useMemo } from 'preact/hooks';
import { linearScale, logScale, type Scale } from './scale';
import { useWidth } from './use-width';
import { MARGIN, YAxis } from './y-axis';

export type Series = {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** Half the height of a band around the line. */
  readonly deviation?: readonly number[];
  /** A CSS color. */
  readonly color: string;
  /** Lengths of dashes and gaps: lines are told apart by them, too. */
  readonly dash?: string;
  readonly width?: number;
  /** Left out of the legend. */
  readonly quiet?: boolean;
};

export type Axis = {
  readonly label: string;
  readonly min?: number;
  readonly max?: number;
  readonly log?: boolean;
  readonly ticks?: Scale['ticks'];
};

/** Lines over a common axis. The legend is text; the picture is described by `label`. */
export function LineChart({
  label,
  x,
  y,
  series,
  height = 240,
  marker,
}: {
  label: string;
  x: Axis;
  y: Axis;
  series: readonly Series[];
  height?: number;
  /** A place on the x axis that is marked by a line. */
  marker?: number | undefined;
}) {
  const [box, width] = useWidth();
  const scales = useMemo(
    () => ({
      x: scaleOf(
        x,
        series.flatMap((line) => line.x),
        width < 360 ? 4 : 6,
      ),
      y: scaleOf(
        y,
        series.flatMap((line) => withDeviation(line)),
        5,
      ),
    }),
    [x, y, series, width],
  );
  const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  const px = (value: number) => MARGIN.left + scales.x.place(value) * inner.width;
  const py = (value: number) =>
    MARGIN.top + (1 - Math.min(1.02, Math.max(-0.02, scales.y.place(value)))) * inner.height;
  const bottom = MARGIN.top + inner.height;
  return (
    <div class="chart" ref={box}>
      <svg width={width} height={height} role="img" aria-label={label}>
        <YAxis ticks={scales.y.ticks} width={width} place={py} name={y.label} />
        <line class="axis" x1={MARGIN.left} x2={width - MARGIN.right} y1={bottom} y2={bottom} />
        {scales.x.ticks.map(({ value, text }) => (
          <g key={text}>
            <line class="axis" x1={px(value)} x2={px(value)} y1={bottom} y2={bottom + 4} />
            <text class="tick" x={px(value)} y={bottom + 17} text-anchor="middle">
              {text}
            </text>
          </g>
        ))}
        <text class="axis-name" x={MARGIN.left + inner.width / 2} y={height - 5} text-anchor="middle">
          {x.label}
        </text>
        {marker !== undefined && <line class="marker" x1={px(marker)} x2={px(marker)} y1={MARGIN.top} y2={bottom} />}
        {series.map(
          (line) =>
            line.deviation && (
              <path key={`${line.name} band`} d={bandPath(line, px, py)} fill={line.color} opacity={0.16} />
            ),
        )}
        {series.map((line) => (
          <path
            key={line.name}
            d={linePath(line, px, py)}
            fill="none"
            stroke={line.color}
            stroke-width={line.width ?? 2}
            stroke-dasharray={line.dash}
            stroke-linejoin="round"
            opacity={line.quiet ? 0.45 : 1}
          />
        ))}
      </svg>
      <ul class="legend">
        {series
          .filter(({ quiet }) => !quiet)
          .map(({ name, color, dash }) => (
            <li key={name}>
              <svg width="26" height="10" aria-hidden="true">
                <line x1="1" x2="25" y1="5" y2="5" stroke={color} stroke-width="2.5" stroke-dasharray={dash} />
              </svg>
              {name}
            </li>
          ))}
      </ul>
    </div>
  );
}

function scaleOf({ min, max, log = false, ticks }: Axis, values: readonly number[], count: number): Scale {
  const usable = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  const low = min ?? (usable.length === 0 ? 0 : Math.min(...usable));
  const high = max ?? (usable.length === 0 ? 1 : Math.max(...usable));
  const scale = log ? logScale(low > 0 ? low : 1e-6, high > 0 ? high : 1) : linearScale(low, high, count);
  return ticks === undefined ? scale : { ...scale, ticks };
}

function withDeviation({ y, deviation }: Series): number[] {
  return y.flatMap((value, i) => [value - (deviation?.[i] ?? 0), value + (deviation?.[i] ?? 0)]);
}

type Place = (value: number) => number;

function linePath({ x, y }: Series, px: Place, py: Place): string {
  const points = x.flatMap((value, i) =>
    Number.isFinite(y[i]) ? [`${px(value).toFixed(1)},${py(y[i]).toFixed(1)}`] : [],
  );
  return points.length === 0 ? '' : `M${points.join('L')}`;
}

function bandPath({ x, y, deviation = [] }: Series, px: Place, py: Place): string {
  const upper = x.map((value, i) => `${px(value).toFixed(1)},${py(y[i] + deviation[i]).toFixed(1)}`);
  const lower = x.map((value, i) => `${px(value).toFixed(1)},${py(y[i] - deviation[i]).toFixed(1)}`);
  return upper.length === 0 ? '' : `M${upper.join('L')}L${lower.reverse().join('L')}Z`;
}
