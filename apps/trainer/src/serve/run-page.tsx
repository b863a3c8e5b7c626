/** @jsxImportSource preact */
import { duration } from '../console/progress';
import { evaluationTable } from '../evaluation/evaluation-table';
import { ratioChart } from '../report/charts/ratio-chart';
import { spectrumChart } from '../report/charts/spectrum-chart';
import type { SpectrumLine } from '../report/charts/spectrum-lines';
import { type TrainingLine, trainingChart } from '../report/charts/training-chart';
import { formatCount, formatRate, formatSignificant } from '../report/format';
import { BAND_LINES, BANDS, DATA_LINE, type LineStyle, partLine } from '../report/line-style';
import { ChartFigure } from '../report/parts/chart-figure';
import { Legend } from '../report/parts/legend';
import { Section } from '../report/parts/section';
import { GateFigure } from '../report/sections/gate-figure';
import { styles } from '../report/styles/index';
import { summary } from '../report/training-lines';
import type { MetricsRow } from '../training/metrics-log';
import type { RunData, StageData } from './run-data';
import { serveStyles } from './serve-styles';

/** A run that has not written for so long is not running, as far as can be seen. */
const QUIET_MS = 120_000;

const OWN_LINE: LineStyle = { color: 'var(--sd)', dash: [], symbol: 'none', width: 2 };

export type RunPageProps = {
  readonly run: RunData;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** What the page's script is allowed by. */
  readonly nonce: string;
  readonly script: string;
};

/** A run as it is now; a script asks for it again every few seconds. */
export function RunPage({ run, now, nonce, script }: RunPageProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${run.name}: training`}</title>
        <link rel="icon" href="data:," />
        <style dangerouslySetInnerHTML={{ __html: styles + serveStyles }} />
      </head>
      <body>
        <a class="skip" href="#main">
          To the results
        </a>
        <header>
          <p class="kicker">Live</p>
          <h1>{run.name}</h1>
          <p class="subtitle">
            {run.stages.map(({ name }) => name).join(', ')} <span id="state" role="status" />
          </p>
          <nav aria-label="Stages">
            <ul>
              {run.stages.map(({ name }) => (
                <li key={name}>
                  <a href={`#${name}`}>{name}</a>
                </li>
              ))}
            </ul>
          </nav>
        </header>
        <main id="main">
          {run.stages.map((stage) => (
            <Stage key={stage.name} stage={stage} now={now} />
          ))}
        </main>
        <script nonce={nonce} dangerouslySetInnerHTML={{ __html: script }} />
      </body>
    </html>
  );
}

function Stage({ stage, now }: { readonly stage: StageData; readonly now: number }) {
  const { name, rows, grids, gates, evaluation } = stage;
  return (
    <Section id={name} title={name}>
      {rows.length > 0 ? <Facts stage={stage} now={now} /> : <p class="muted">Nothing logged yet.</p>}
      {rows.length > 0 ? <Curves name={name} rows={rows} /> : null}
      {grids.length > 0 ? <Grids name={name} grids={grids} /> : null}
      {stage.spectra ? <Spectra name={name} spectra={stage.spectra} /> : null}
      {gates.length > 0 ? <Gates name={name} gates={gates} /> : null}
      {evaluation ? (
        <>
          <h3>Evaluation</h3>
          <pre class="table">{evaluationTable([evaluation])}</pre>
        </>
      ) : null}
    </Section>
  );
}

function Facts({ stage: { rows, changed, isFinished }, now }: { readonly stage: StageData; readonly now: number }) {
  const last = rows[rows.length - 1];
  const before = rows[Math.max(0, rows.length - 11)];
  const speed = (last.step - before.step) / (last.seconds - before.seconds);
  const isQuiet = changed === null || now - changed > QUIET_MS;
  const facts = [
    ['State', isFinished ? 'finished' : isQuiet ? 'no news for a while: stopped, it seems' : 'running'],
    ['Step', formatCount(last.step + 1)],
    ['Loss', formatSignificant(last.loss)],
    ['Gradient norm', formatSignificant(last.gradientNorm)],
    ['Learning rate', formatSignificant(last.learningRate)],
    ['Steps/s', formatRate(speed)],
    ['Time', duration(last.seconds)],
  ];
  return (
    <dl class="facts">
      {facts.map(([term, value]) => (
        <div key={term}>
          <dt>{term}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Curves({ name, rows }: { readonly name: string; readonly rows: readonly MetricsRow[] }) {
  const line = (label: string, value: (row: MetricsRow) => number, style = OWN_LINE): TrainingLine => ({
    label,
    style,
    points: rows.map((row) => ({ step: row.step, value: value(row) })),
  });
  const figures = [
    { title: 'Loss', lines: [line('loss', ({ loss }) => loss)] },
    ...partGroups(Object.keys(rows[0].parts)).map(({ title, parts }) => ({
      title,
      lines: parts.map(([label, part], i) => line(label, (row) => row.parts[part], partLine('sd', i))),
    })),
    { title: 'Gradient norm', lines: [line('gradient norm', ({ gradientNorm }) => gradientNorm)] },
    {
      title: 'Learning rate',
      lines: [{ ...line('learning rate', ({ learningRate }) => learningRate), isExact: true }],
    },
  ];
  return (
    <div class="pair curves">
      {figures.map(({ title, lines }, i) => (
        <ChartFigure
          key={title}
          title={title}
          svg={trainingChart(`${name}-curve${i}`, `${title.toLowerCase()} (log)`, lines)}
          description={`Line chart over training steps. ${lines.map((one) => `${one.label}: ${summary(one)}`).join('; ')}.`}
        >
          {lines.length > 1 ? (
            <Legend entries={lines.map((one) => ({ ...one, note: summary(one) }))} />
          ) : (
            summary(lines[0])
          )}
        </ChartFigure>
      ))}
    </div>
  );
}

type PartGroup = { readonly title: string; readonly parts: readonly (readonly [label: string, part: string])[] };

/** The loss's own parts, and those of each (`spatial/up_0` and its like): a chart holds as many lines as can be told apart. */
export function partGroups(names: readonly string[]): PartGroup[] {
  const own = names.filter((name) => !name.includes('/'));
  const within = (part: string) =>
    names.filter((name) => name.startsWith(`${part}/`)).map((name) => [name.slice(part.length + 1), name] as const);
  const groups: PartGroup[] = [{ title: 'Its parts', parts: own.map((name) => [name, name]) }];
  for (const part of own) groups.push({ title: `Its part ${part}, by pair`, parts: within(part) });
  return groups.filter(({ parts }) => parts.length > 1);
}

function Grids({ name, grids }: { readonly name: string; readonly grids: readonly string[] }) {
  return (
    <>
      <h3>
        {name === 'first-stage' ? 'Pictures, and what the first stage makes of them' : 'Samples of the same noise'}
      </h3>
      <div class="grids">
        {grids.map((file) => {
          const step = formatCount(Number(/\d+/.exec(file)?.[0]));
          return (
            <figure key={file}>
              <img class="grid" src={`/grids/${name}/${file}`} alt={`Images of ${name} after step ${step}`} />
              <figcaption>after step {step}</figcaption>
            </figure>
          );
        })}
      </div>
    </>
  );
}

function Spectra({ name, spectra }: { readonly name: string; readonly spectra: NonNullable<StageData['spectra']> }) {
  const lines: SpectrumLine[] = [
    { label: name === 'first-stage' ? 'Pictures' : 'Decoded data', spectrum: spectra.data, style: DATA_LINE },
    { label: 'The images above', spectrum: spectra.generated, style: OWN_LINE },
  ];
  return (
    <>
      <h3>Spectra</h3>
      <Legend entries={lines} />
      <div class="pair">
        <ChartFigure
          title="Power at each frequency"
          svg={spectrumChart(`${name}-spectrum`, lines)}
          description="Line chart of log power over frequency as a fraction of Nyquist."
        />
        <ChartFigure
          title="The same, against the data"
          svg={ratioChart(`${name}-ratio`, lines)}
          description="Line chart of power over the data's in decibels."
        />
      </div>
    </>
  );
}

function Gates({ name, gates }: { readonly name: string; readonly gates: StageData['gates'] }) {
  return (
    <>
      <h3>Gates over the diffusion time</h3>
      <Legend entries={BANDS.map(({ key, label, meaning }) => ({ label, note: meaning, style: BAND_LINES[key] }))} />
      <div class="multiples">
        {gates.map((gate, i) => (
          <GateFigure key={gate.module} id={`${name}-gate${i}`} gate={gate} />
        ))}
      </div>
    </>
  );
}
