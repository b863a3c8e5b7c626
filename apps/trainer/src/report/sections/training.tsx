/** @jsxImportSource preact */
import { type TrainingLine, trainingChart } from '../charts/training-chart';
import { ChartFigure } from '../parts/chart-figure';
import { Legend } from '../parts/legend';
import { Section } from '../parts/section';
import type { ModelReport } from '../report-data';
import { lossLines, partLines, summary } from '../training-lines';

const describe = (lines: readonly TrainingLine[]) => lines.map((line) => `${line.label}: ${summary(line)}`).join('; ');

/** Loss curves of what was trained in this run. */
export function Training({ models }: { readonly models: readonly ModelReport[] }) {
  const losses = lossLines(models);
  const parts = partLines(models);
  const shipped = models.filter(({ training }) => !training.live).map(({ label }) => label);
  return (
    <Section
      id="training"
      title="Training"
      lead={shipped.length > 0 ? `${shipped.join(' and ')}: shipped, so without a curve here.` : undefined}
    >
      <div class="pair">
        {losses.length > 0 ? (
          <ChartFigure
            title="Diffusion loss"
            svg={trainingChart('loss', 'loss (log)', losses)}
            description={`Line chart of the diffusion loss over training steps. ${describe(losses)}.`}
          >
            <Legend entries={losses.map((line) => ({ ...line, note: summary(line) }))} />
            Smoothed, with the raw values faint behind. The same objective for each; it says little about detail.
          </ChartFigure>
        ) : (
          <p class="muted">No model was trained in this run.</p>
        )}
        {parts.length > 0 ? (
          <ChartFigure
            title="Distillation terms"
            svg={trainingChart('parts', 'term (log)', parts)}
            description={`Line chart of the distillation terms over training steps. ${describe(parts)}.`}
          >
            <Legend entries={parts.map((line) => ({ ...line, note: summary(line) }))} />
            Distance from the teacher’s features and outputs, before the weights that the terms enter the loss with.
          </ChartFigure>
        ) : null}
      </div>
    </Section>
  );
}
