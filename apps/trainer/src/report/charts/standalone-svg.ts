/** What a page sets for its charts, as they are on white. */
const COLORS: Readonly<Record<string, string>> = { muted: '#555', axis: '#888', line: '#ddd', shade: '#f4f2ee' };

/**
 * A chart of `renderChart` as a file of its own, which no page gives a size or colors.
 * @param rest drawn over the chart, as a legend is: SVG elements.
 */
export function standaloneSvg(
  svg: string,
  { title, width, height, rest = '' }: { title: string; width: number; height: number; rest?: string },
): string {
  const sized = svg.replace(
    '<svg aria-hidden="true" focusable="false"',
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"`,
  );
  const colored = sized.replace(/var\(--(\w+)\)/g, (variable, name: string) => COLORS[name] ?? variable);
  return `${colored
    .replace('>', `><title>${escapeXml(title)}</title>`) // the end of the opening tag
    .replace('</svg>', `${rest}</svg>`)}\n`;
}

/** Text as it stands between tags or in an attribute. */
export function escapeXml(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replace(/[&<>"]/g, (character) => entities[character]);
}
