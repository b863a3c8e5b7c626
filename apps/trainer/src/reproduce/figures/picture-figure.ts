import { escapeXml } from '../../report/charts/standalone-svg';
import type { ImageGrid } from '../../report/report-data';

const GAP = 24;
const LABEL = 24;
/** Pixels: what is wider becomes unreadable on a page. */
const WIDTH = 900;

type Picture = { readonly label: string; readonly grid: ImageGrid };

/** Grids of pictures under their names, as many side by side as fit a page, as the text of an SVG file that holds them. */
export function pictureFigure(title: string, pictures: readonly Picture[]): string {
  const rows = inRows(pictures);
  let top = 0;
  const parts = rows.map((row) => {
    let left = 0;
    const drawn = row.map(({ label, grid: { dataUri, width, height } }) => {
      const name = `<text x="${left}" y="${top + 16}" font-family="system-ui, sans-serif" font-size="14" fill="#333">${escapeXml(label)}</text>`;
      const image = `<image x="${left}" y="${top + LABEL}" width="${width}" height="${height}" href="${dataUri}"/>`;
      left += width + GAP;
      return name + image;
    });
    top += LABEL + Math.max(...row.map(({ grid }) => grid.height)) + GAP;
    return drawn.join('');
  });
  const width = Math.max(...rows.map(widthOf));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top - GAP}"><title>${escapeXml(title)}</title><rect width="100%" height="100%" fill="#fff"/>${parts.join('')}</svg>\n`;
}

function widthOf(row: readonly Picture[]): number {
  return row.reduce((sum, { grid }) => sum + grid.width, 0) + GAP * (row.length - 1);
}

/** Rows of as equal a number of pictures as the width allows, at least one each. */
function inRows(pictures: readonly Picture[]): Picture[][] {
  for (let columns = pictures.length; ; columns--) {
    const count = Math.ceil(pictures.length / columns);
    const even = Math.ceil(pictures.length / count);
    const rows = Array.from({ length: count }, (_, i) => pictures.slice(i * even, (i + 1) * even));
    if (columns === 1 || rows.every((row) => widthOf(row) <= WIDTH)) return rows.filter((row) => row.length > 0);
  }
}
