/** @jsxImportSource preact */
import type { LineStyle } from '../line-style';

/** A short piece of a line as the charts draw it. */
export function LineSample({ style: { color, dash, symbol, width } }: { readonly style: LineStyle }) {
  return (
    <svg class="line-sample" viewBox="0 0 36 12" width="36" height="12" aria-hidden="true" focusable="false">
      <line
        x1="1"
        y1="6"
        x2="35"
        y2="6"
        stroke={color}
        stroke-width={width}
        stroke-dasharray={dash.length > 0 ? dash.join(' ') : undefined}
      />
      {symbol === 'circle' ? <circle cx="18" cy="6" r="3.5" fill={color} /> : null}
      {symbol === 'rect' ? <rect x="14.75" y="2.75" width="6.5" height="6.5" fill={color} /> : null}
      {symbol === 'triangle' ? <path d="M18 2 L22 9.5 L14 9.5 Z" fill={color} /> : null}
      {symbol === 'diamond' ? <path d="M18 1.5 L22 6 L18 10.5 L14 6 Z" fill={color} /> : null}
    </svg>
  );
}
