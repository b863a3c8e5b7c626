/** @jsxImportSource preact */
import { Fragment } from 'preact';
import { MISSING } from '../../report/format';
import { POLICY } from '../../report/page';
import { Section } from '../../report/parts/section';
import { styles } from '../../report/styles/index';
import type { ReproductionResult, ResultTable } from '../reproduction-result';
import type { NotRun } from './not-run';
import { seriousness, timeSpent } from './words';

export type ShownResult = {
  readonly result: ReproductionResult;
  /** Data URIs of the figures by name. */
  readonly pictures: ReadonlyMap<string, string>;
};

const STYLES = `
.picture img { display: block; max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line); border-radius: 4px; }
.pictures { display: grid; gap: 1.6rem; margin: 1.4rem 0; }
.words { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.4rem 1.25rem; margin: 0 0 1.4rem; font-size: 0.95rem; }
.words dt { color: var(--muted); }
.words dd { margin: 0; }
.words code { overflow-wrap: anywhere; white-space: normal; }
.result { font-size: 0.875rem; margin: 1.2rem 0; }
.result th, .result td { padding: 0.35rem 0.6rem; }
.said { max-width: 42rem; }
`;

/** All results, each beside what the paper says. */
export function ReproductionPage({
  results,
  notRun,
}: {
  readonly results: readonly ShownResult[];
  readonly notRun: readonly NotRun[];
}) {
  const id = ({ name, scale }: ReproductionResult) => `${name}-${scale}`;
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content={POLICY} />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="no-referrer" />
        <title>The paper, reproduced</title>
        <link rel="icon" href="data:," />
        <style dangerouslySetInnerHTML={{ __html: styles + STYLES }} />
      </head>
      <body>
        <a class="skip" href="#main">
          To the results
        </a>
        <header>
          <p class="kicker">Spectral Diffusion · reproduction</p>
          <h1>The paper, reproduced</h1>
          <p class="subtitle">
            Figures and tables of “Diffusion Probabilistic Model Made Slim” (Yang et al., CVPR 2023), made again.
          </p>
          <nav aria-label="Contents">
            <ul>
              {results.map(({ result }) => (
                <li key={id(result)}>
                  <a href={`#${id(result)}`}>
                    {result.name}, {result.scale}
                  </a>
                </li>
              ))}
              {notRun.length > 0 ? (
                <li>
                  <a href="#not-run">not run</a>
                </li>
              ) : null}
            </ul>
          </nav>
        </header>
        <main id="main">
          {results.length === 0 ? (
            <section>
              <p class="muted">Nothing is finished yet.</p>
            </section>
          ) : null}
          {results.map((shown) => (
            <Result key={id(shown.result)} id={id(shown.result)} {...shown} />
          ))}
          {notRun.length > 0 ? (
            <Section id="not-run" title="Not run" lead="What was asked for and lacks its models.">
              <dl class="words">
                {notRun.map(({ name, title, reason }) => (
                  <Fragment key={name}>
                    <dt>{name}</dt>
                    <dd>
                      {title}. {reason}
                    </dd>
                  </Fragment>
                ))}
              </dl>
            </Section>
          ) : null}
        </main>
      </body>
    </html>
  );
}

function Result({ id, result, pictures }: ShownResult & { readonly id: string }) {
  return (
    <Section id={id} title={result.title} lead={seriousness(result)}>
      <dl class="words">
        <dt>Paper</dt>
        <dd>{result.paper}</dd>
        <dt>Here</dt>
        <dd>{result.method}</dd>
        <dt>Settings</dt>
        <dd>
          <code>{JSON.stringify({ seed: result.seed, ...result.settings })}</code>
        </dd>
        <dt>Run</dt>
        <dd>
          {result.date.slice(0, 10)}, {timeSpent(result)}; {result.backend}
        </dd>
      </dl>
      <ul class="said">
        {result.findings.map((finding) => (
          <li key={finding}>{finding}</li>
        ))}
      </ul>
      <div class="pictures">
        {result.figures.map(({ name, title, caption }) => (
          <figure key={name} class="picture">
            <h3>{title}</h3>
            <img src={pictures.get(name)} alt={caption} />
            <figcaption>{caption}</figcaption>
          </figure>
        ))}
      </div>
      {result.tables.map((table) => (
        <PlainTable key={table.title} table={table} />
      ))}
    </Section>
  );
}

function PlainTable({ table: { title, note, columns, rows } }: { readonly table: ResultTable }) {
  return (
    <div class="scroll">
      <table class="result">
        <caption>
          <strong>{title}.</strong> {note}
        </caption>
        <thead>
          <tr>
            {columns.map((column, i) => (
              <th key={`${i}`} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={`${i}`}>
              {row.map((cell, j) => (
                <td key={`${j}`}>{cell ?? MISSING}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
