/** @jsxImportSource preact */
import { formatError, formatParameters, formatShape } from '../format';
import { GridImage } from '../parts/grid-image';
import { Section } from '../parts/section';
import type { ReportData } from '../report-data';

/** The autoencoder whose latents the models work on. */
export function FirstStage({ firstStage }: Pick<ReportData, 'firstStage'>) {
  const { description, parameters, imageShape, latentShape, psnr, grid, errors } = firstStage;
  const facts = [
    ['Kind', description],
    ['Parameters', formatParameters(parameters)],
    ['Image', formatShape(imageShape)],
    ['Latent', formatShape(latentShape)],
    ['PSNR', Number.isFinite(psnr) ? `${psnr.toFixed(1)} dB` : '—'],
    ['Error, high', formatError(errors.high)],
    ['Error, low', formatError(errors.low)],
  ];
  return (
    <Section
      id="first-stage"
      title="The first stage"
      lead="All models work on the latents of one autoencoder. What it cannot bring back, no model here can make: its errors are the mark to measure theirs against."
    >
      <figure class="strip">
        <GridImage
          grid={grid}
          name="first stage grid"
          alt={`Pictures in the top row, their reconstructions below; ${grid.columns} pairs`}
        />
        <figcaption>Above, pictures of the data; below, what comes back from their latents.</figcaption>
      </figure>
      <dl class="facts">
        {facts.map(([term, value]) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </Section>
  );
}
