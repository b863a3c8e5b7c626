import type { Scale } from './scale';

/** Around the lines or bars of a chart, in pixels. */
export const MARGIN = { left: 46, right: 20, top: 24, bottom: 40 };

/** A line across the chart at every tick, with its value, and above them what is shown. */
export function YAxis({
  ticks,
  width,
  place,
  name,
}: {
  ticks: Scale['ticks'];
  width: number;
  place: (value: number) => number;
  name: string;
}) {
  return (
    <>
      {ticks.map(({ value, text }) => (
        <g key={text}>
          <line class="grid" x1={MARGIN.left} x2={width - MARGIN.right} y1={place(value)} y2={place(value)} />
          <text class="tick" x={MARGIN.left - 7} y={place(value)} dy="0.35em" text-anchor="end">
            {text}
          </text>
        </g>
      ))}
      <text class="axis-name" x={4} y={13}>
        {name}
      </text>
    </>
  );
}
