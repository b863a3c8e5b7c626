/** @jsxImportSource preact */
import { formatSeconds } from '../format';
import { Section } from '../parts/section';
import type { ReportData } from '../report-data';

/** Where the time of the run went. */
export function Timings({ timings }: Pick<ReportData, 'timings'>) {
  const total = timings.reduce((sum, { seconds }) => sum + seconds, 0);
  const longest = timings.reduce((most, { seconds }) => Math.max(most, seconds), 0);
  return (
    <Section id="timings" title="Where the time went">
      <table class="timings">
        <caption>Wall time of each part of the run. Parts may have run side by side.</caption>
        <thead>
          <tr>
            <th scope="col">Part</th>
            <th scope="col">Time</th>
            <td />
          </tr>
        </thead>
        <tbody>
          {timings.map(({ name, seconds }, i) => (
            <tr key={`${i}`}>
              <th scope="row">{name}</th>
              <td class="value">{formatSeconds(seconds)}</td>
              <td class="meter" aria-hidden="true">
                <span class="bar">
                  <span style={{ width: `${longest > 0 ? ((100 * seconds) / longest).toFixed(1) : 0}%` }} />
                </span>
              </td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">Sum of the parts</th>
            <td class="value">{formatSeconds(total)}</td>
            <td />
          </tr>
        </tfoot>
      </table>
    </Section>
  );
}
