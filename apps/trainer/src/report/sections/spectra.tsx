/** @jsxImportSource preact */
import { ratioChart } from '../charts/ratio-chart';
import { spectrumChart } from '../charts/spectrum-chart';
import { meanHighDecibels, type SpectrumLine, spectrumLines } from '../charts/spectrum-lines';
import { formatDecibels, formatSignificant } from '../format';
import { ChartFigure } from '../parts/chart-figure';
import { Legend } from '../parts/legend';
import { NumbersTable } from '../parts/numbers-table';
import { Section } from '../parts/section';
import type { ReportData } from '../report-data';

/** Where the models' pictures have their power, and where they lack it. */
export function Spectra({ data }: { readonly data: ReportData }) {
  const lines = spectrumLines(data);
  const [reference, ...others] = lines;
  const gaps = others
    .map(({ label, spectrum }) => `${label} ${formatDecibels(meanHighDecibels(spectrum, reference.spectrum))}`)
    .join(', ');
  return (
    <Section
      id="spectra"
      title="Detail, frequency by frequency"
      lead="Broad shapes are low frequencies, edges and texture high ones. Natural pictures hold far less power in the high ones, so a loss that counts every pixel alike hardly notices when they go missing."
    >
      <Legend entries={lines} />
      <div class="pair">
        <ChartFigure
          title="Power at each frequency"
          svg={spectrumChart('spectrum', lines)}
          description={`Line chart of log power over frequency as a fraction of Nyquist, for ${lines.map(({ label }) => label).join(', ')}. Its numbers are in the table below.`}
        >
          Mean over images of the radially averaged power of luma. Right of the rule is what counts as high.
        </ChartFigure>
        <ChartFigure
          title="The same, against the data"
          svg={ratioChart('ratio', lines)}
          description={`Line chart of power over the data's in decibels. Mean at high frequencies: ${gaps}.`}
        >
          The data is the rule at 0 dB. Below it detail is missing (blur), above it there is too much (noise). Mean of
          the high frequencies: {gaps}.
        </ChartFigure>
      </div>
      <SpectrumNumbers lines={lines} />
    </Section>
  );
}

function SpectrumNumbers({ lines }: { readonly lines: readonly SpectrumLine[] }) {
  return (
    <NumbersTable
      caption="The spectra as numbers"
      columns={['Frequency r', ...lines.map(({ label }) => label)]}
      rows={lines[0].spectrum.frequency.map((r, i) => [
        r.toFixed(3),
        ...lines.map(({ spectrum }) => formatSignificant(spectrum.power[i])),
      ])}
    />
  );
}
