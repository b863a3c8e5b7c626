import type { ReportData } from './report-data';
export function renderReport(data: ReportData): string {
  return `<pre>${JSON.stringify(data)}</pre>`;
}
