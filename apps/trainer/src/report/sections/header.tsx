/** @jsxImportSource preact */
import type { ReportData } from '../report-data';

/** Sections to jump to, in the order of the page. */
export type Contents = readonly { readonly id: string; readonly title: string }[];

export function Header({ data, contents }: { readonly data: ReportData; readonly contents: Contents }) {
  return (
    <header>
      <p class="kicker">Spectral Diffusion · report</p>
      <h1>{data.title}</h1>
      <p class="subtitle">{data.subtitle}</p>
      <nav aria-label="Contents">
        <ul>
          {contents.map(({ id, title }) => (
            <li key={id}>
              <a href={`#${id}`}>{title}</a>
            </li>
          ))}
        </ul>
      </nav>
    </header>
  );
}
