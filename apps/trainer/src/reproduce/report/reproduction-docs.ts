import { MISSING } from '../../report/format';
import type { Estimate } from '../cost/estimate';
import { estimateTable } from '../cost/estimate-table';
import type { ReproductionResult, ResultTable } from '../reproduction-result';
import { seriousness, timeSpent } from './words';

/**
 * docs/reproduction.md, from the results beside it.
 * @param pictures where the page finds the figures of a result: a folder, relative to the page.
 * @param summary what all of it says together, in Markdown, written by hand.
 */
export function reproductionDocs(
  results: readonly { readonly result: ReproductionResult; readonly pictures: string }[],
  estimate?: Estimate,
  summary?: string,
): string {
  const contents = results.map(({ result: { title, scale } }) => `- ${title} (${scale})`);
  return `# The paper, reproduced

Made by \`npx pnpm@10 reproduction-docs\` from docs/reproduction: its JSON files and summary.md; do not edit.

Figures and tables of Yang et al., "Diffusion Probabilistic Model Made Slim" (CVPR 2023), made by \`sd reproduce NAME --scale
SCALE\`. What is not in this list has not been run.
${summary === undefined ? '' : `\n${summary.trim()}\n`}
${contents.join('\n')}

${[...results.map(({ result, pictures }) => section(result, pictures)), ...(estimate ? [costSection(estimate)] : [])].join('\n\n')}
`;
}

function costSection(estimate: Estimate): string {
  return `## The paper's scale\n\n\`sd reproduce --estimate\`. None of this has been run.\n\n${markdownTable(estimateTable(estimate))}`;
}

function section(result: ReproductionResult, pictures: string): string {
  const { title, name, scale, paper, method, settings, seed, date, backend, findings, figures, tables } = result;
  return [
    `## ${title} (${scale})`,
    `\`sd reproduce ${name} --scale ${scale} --seed ${seed}\`, ${date.slice(0, 10)}, ${timeSpent(result)}; ${backend}. ${seriousness(result)}`,
    `**Paper.** ${paper}`,
    `**Here.** ${method} Settings: \`${JSON.stringify(settings)}\`.`,
    ...(findings.length > 0 ? [findings.map((finding) => `- ${finding}`).join('\n')] : []),
    ...figures.map((figure) => `![${figure.caption}](${pictures}/${figure.name}.svg)\n\n${figure.caption}`),
    ...tables.map(markdownTable),
  ].join('\n\n');
}

/** With its title and note before it. */
export function markdownTable({ title, note, columns, rows }: ResultTable): string {
  const cells = [columns, ...rows.map((row) => row.map((cell) => cell ?? MISSING))].map((row) =>
    row.map((text) => text.replaceAll('|', '\\|')),
  );
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  const line = (row: readonly string[]) => `| ${row.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  const [header, ...body] = cells.map(line);
  const rule = line(widths.map((width) => '-'.repeat(width)));
  return `**${title}.** ${note ?? ''}`.trimEnd().concat('\n\n', [header, rule, ...body].join('\n'));
}
