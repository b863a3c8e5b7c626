import { escapeXml } from '../../report/charts/standalone-svg';
import type { ImageGrid } from '../../report/report-data';

const GAP = 24;
const LABEL = 24;

/** Grids of pictures side by side under their names, as the text of an SVG file that holds them. */
export function pictureFigure(
  title: string,
  pictures: readonly { readonly label: string; readonly grid: ImageGrid }[],
): string {
  let x = 0;
  const parts = pictures.map(({ label, grid: { dataUri, width, height } }) => {
    const left = x;
    x += width + GAP;
    const name = `<text x="${left}" y="16" font-family="system-ui, sans-serif" font-size="14" fill="#333">${escapeXml(label)}</text>`;
    return `${name}<image x="${left}" y="${LABEL}" width="${width}" height="${height}" href="${dataUri}"/>`;
  });
  const height = LABEL + Math.max(...pictures.map(({ grid }) => grid.height));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${x - GAP}" height="${height}"><title>${escapeXml(title)}</title><rect width="100%" height="100%" fill="#fff"/>${parts.join('')}</svg>\n`;
}
