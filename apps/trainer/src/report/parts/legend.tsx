/** @jsxImportSource preact */
import type { LineStyle } from '../line-style';
import { LineSample } from './line-sample';

export type LegendEntry = { readonly label: string; readonly note?: string; readonly style: LineStyle };

/** What the lines of the charts beside it are. */
export function Legend({ entries }: { readonly entries: readonly LegendEntry[] }) {
  return (
    <ul class="legend" aria-label="Legend">
      {entries.map(({ label, note, style }) => (
        <li key={label}>
          <LineSample style={style} />
          {label}
          {note ? <span class="muted"> {note}</span> : null}
        </li>
      ))}
    </ul>
  );
}
