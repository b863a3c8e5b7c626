/** @jsxImportSource preact */
import { comparisonRows } from '../comparison-rows';
import { MODEL_LINES } from '../line-style';
import { LineSample } from '../parts/line-sample';
import { Section } from '../parts/section';
import type { ReportData } from '../report-data';
import { ComparisonCell } from './comparison-cell';
import { ModelCards } from './model-cards';

export function Comparison({ data }: { readonly data: ReportData }) {
  return (
    <Section id="comparison" title="The models in numbers">
      <ModelCards models={data.models} />
      <div class="scroll">
        <table class="comparison">
          <caption>Size, speed and distance from the data. ✓ marks which of Lite and SD is closer to the data.</caption>
          <thead>
            <tr>
              <td />
              {data.models.map(({ name, label }) => (
                <th key={name} scope="col" class={name}>
                  <LineSample style={MODEL_LINES[name]} />
                  <span>{label}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {comparisonRows(data).map(({ title, note, cells }) => (
              <tr key={title}>
                <th scope="row">
                  {title}
                  <small>{note}</small>
                </th>
                {cells.map((cell, i) => (
                  <ComparisonCell key={data.models[i].name} model={data.models[i].name} cell={cell} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}
