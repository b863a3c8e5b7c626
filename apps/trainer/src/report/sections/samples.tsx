/** @jsxImportSource preact */
import { DATA_LINE, MODEL_LINES } from '../line-style';
import { GridImage } from '../parts/grid-image';
import { LineSample } from '../parts/line-sample';
import { Section } from '../parts/section';
import type { ReportData } from '../report-data';

/** Data beside the models' samples. */
export function Samples({ data }: { readonly data: ReportData }) {
  const pictures = [
    { name: 'data', label: 'Data', note: data.data.description, grid: data.data.grid, style: DATA_LINE },
    ...data.models.map(({ name, label, samples, sampling }) => ({
      name,
      label,
      note: `${sampling.sampler}, ${sampling.steps} steps`,
      grid: samples,
      style: MODEL_LINES[name],
    })),
  ];
  return (
    <Section
      id="samples"
      title="From the same noise"
      lead="Each model starts from the same random latents: a picture’s place in one grid is its place in the others. The data’s own pictures are another draw; only their kind should match."
    >
      <div class="samples">
        {pictures.map(({ name, label, note, grid, style }) => (
          <figure key={name} class={name}>
            <GridImage
              grid={grid}
              name={`${name} grid`}
              alt={
                name === 'data'
                  ? `${grid.rows} by ${grid.columns} grid of pictures from the data`
                  : `${grid.rows} by ${grid.columns} grid of samples by ${label}`
              }
            />
            <figcaption>
              <LineSample style={style} />
              <strong>{label}</strong> <span class="muted">{note}</span>
            </figcaption>
          </figure>
        ))}
      </div>
    </Section>
  );
}
