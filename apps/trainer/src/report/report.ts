import { h } from 'preact';
import { renderToString } from 'preact-render-to-string';
import { Page } from './page';
import type { ReportData } from './report-data';

/**
 * The report as one HTML page that opens from a disk and asks no server for anything: charts are drawn here, pictures
 * are in it, and there is no script.
 * @throws {ArgumentError} on a picture that is not a PNG data URI of the size it says.
 */
export function renderReport(data: ReportData): string {
  return `<!doctype html>\n${renderToString(h(Page, { data }))}\n`;
}
