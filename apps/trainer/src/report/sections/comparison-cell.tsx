/** @jsxImportSource preact */
import type { Cell } from '../comparison-rows';
import type { ModelReport } from '../report-data';

export function ComparisonCell({ model, cell }: { readonly model: ModelReport['name']; readonly cell: Cell }) {
  const { value, gain, note, bar, better } = cell;
  return (
    <td class={model}>
      <span class="value">{value}</span>
      {better ? <strong class="better">✓ closer</strong> : null}
      {gain ? <small class="gain">{gain}</small> : null}
      {note ? <small>{note}</small> : null}
      {bar === undefined ? null : (
        <span class="bar" aria-hidden="true">
          <span style={{ width: `${(100 * bar).toFixed(1)}%` }} />
        </span>
      )}
    </td>
  );
}
