/** @jsxImportSource preact */
import type { ReportData } from '../report-data';

/** What is needed to get this page again. */
export function Footer({ data }: { readonly data: ReportData }) {
  return (
    <footer>
      <h2>Make this page again</h2>
      <pre>
        <code>{data.command}</code>
      </pre>
      <dl>
        <dt>Date</dt>
        <dd>
          <time dateTime={data.date}>{readableDate(data.date)}</time>
        </dd>
        <dt>Backend</dt>
        <dd>{data.backend}</dd>
        <dt>Seed</dt>
        <dd>{data.seed}</dd>
      </dl>
      <p class="muted">
        This page holds everything it shows, and asks no server for anything. The same numbers are in report.json beside
        it.
      </p>
    </footer>
  );
}

/** `2025-01-31 12:34 UTC`; the text itself where it is no date. */
function readableDate(date: string): string {
  const parsed = new Date(date);
  if (Number.isNaN(parsed.getTime())) return date;
  return `${parsed.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
