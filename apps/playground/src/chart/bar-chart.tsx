import { linearScale } from './scale';
import { useWidth } from './use-width';
import { MARGIN, YAxis } from './y-axis';

export type Bar = { readonly text: string; readonly value: number; readonly expected: number };

const HEIGHT = 230;
const GAP = 0.28;

/** Bars beside each other, with an outline where each should be. */
export function BarChart({
  label,
  x,
  y,
  bars,
  max,
}: {
  label: string;
  x: string;
  y: string;
  bars: readonly Bar[];
  max: number;
}) {
  const [box, width] = useWidth();
  const scale = linearScale(0, max, 5);
  const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  const slot = inner.width / bars.length;
  const bottom = MARGIN.top + inner.height;
  const py = (value: number) => bottom - scale.place(value) * inner.height;
  return (
    <div class="chart" ref={box}>
      <svg width={width} height={HEIGHT} role="img" aria-label={label}>
        <YAxis ticks={scale.ticks} width={width} place={py} name={y} />
        {bars.map(({ text, value, expected }, i) => {
          const left = MARGIN.left + (i + GAP / 2) * slot;
          const own = { x: left, width: slot * (1 - GAP) };
          return (
            <g key={text}>
              <rect {...own} y={py(value)} height={bottom - py(value)} fill="var(--sd)" rx="1.5" />
              {expected > 0 && (
                <rect
                  {...own}
                  y={py(expected)}
                  height={bottom - py(expected)}
                  fill="none"
                  stroke="var(--fg)"
                  stroke-dasharray="4 3"
                  stroke-width="1.5"
                />
              )}
              <text class="tick" x={left + own.width / 2} y={bottom + 17} text-anchor="middle">
                {text}
              </text>
            </g>
          );
        })}
        <line class="axis" x1={MARGIN.left} x2={width - MARGIN.right} y1={bottom} y2={bottom} />
        <text class="axis-name" x={MARGIN.left + inner.width / 2} y={HEIGHT - 5} text-anchor="middle">
          {x}
        </text>
      </svg>
      <ul class="legend">
        <li>
          <svg width="16" height="12" aria-hidden="true">
            <rect width="16" height="12" fill="var(--sd)" rx="1.5" />
          </svg>
          drawn
        </li>
        <li>
          <svg width="16" height="12" aria-hidden="true">
            <rect x="1" y="1" width="14" height="10" fill="none" stroke="var(--fg)" stroke-dasharray="4 3" />
          </svg>
          as in the data
        </li>
      </ul>
    </div>
  );
}
