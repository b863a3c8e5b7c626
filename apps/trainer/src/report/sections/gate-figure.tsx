/** @jsxImportSource preact */
import { gateChart } from '../charts/gate-chart';
import { BANDS } from '../line-style';
import type { GateCurve } from '../report-data';

/** One module's gates; its name is text of the page, never of the drawing. */
export function GateFigure({ id, gate }: { readonly id: string; readonly gate: GateCurve }) {
  const ends = BANDS.map(({ key, label }) => {
    const { mean } = gate.bands[key];
    return `${label} from ${mean[0]?.toFixed(2)} to ${mean.at(-1)?.toFixed(2)}`;
  });
  return (
    <figure class="chart">
      <figcaption>
        <code>{gate.module}</code>
      </figcaption>
      <div
        role="img"
        aria-label={`Line chart of the mean gate of each band over t in ${gate.module}: ${ends.join(', ')}.`}
        dangerouslySetInnerHTML={{ __html: gateChart(id, gate) }}
      />
    </figure>
  );
}
