/** @jsxImportSource preact */

import { MODEL_LINES } from '../line-style';
import { LineSample } from '../parts/line-sample';
import type { ModelReport } from '../report-data';

/** Who is who: each model's name, its line in the charts, and what it is. */
export function ModelCards({ models }: { readonly models: readonly ModelReport[] }) {
  return (
    <ul class="cards">
      {models.map(({ name, label, description, training }) => (
        <li key={name} class={`card ${name}`}>
          <h3>
            <LineSample style={MODEL_LINES[name]} />
            {label}
          </h3>
          <p>{description}</p>
          <p class="tag">{training.live ? 'trained in this run' : 'shipped, trained before'}</p>
        </li>
      ))}
    </ul>
  );
}
