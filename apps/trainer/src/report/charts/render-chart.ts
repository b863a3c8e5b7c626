import { CustomChart, LineChart } from 'echarts/charts';
import { GridComponent, MarkAreaComponent, MarkLineComponent } from 'echarts/components';
import type { EChartsCoreOption } from 'echarts/core';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

echarts.use([LineChart, CustomChart, GridComponent, MarkAreaComponent, MarkLineComponent, SVGRenderer]);

/** Pixels of a chart before the page scales it to its column. */
export const CHART = { width: 420, height: 280 } as const;

/**
 * Draws a chart as the text of an `<svg>` without script or style sheet. Its colors are CSS variables, which the page
 * sets for light and dark.
 * @param id unique on the page; the same input gives the same text.
 */
export function renderChart(id: string, option: EChartsCoreOption, { width, height } = CHART as Size): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({
      animation: false,
      textStyle: { fontFamily: 'system-ui, sans-serif', fontSize: 12, color: 'var(--muted)' },
      ...option,
    });
    return tidied(chart.renderToSVGString(), id);
  } finally {
    chart.dispose();
  }
}

type Size = { readonly width: number; readonly height: number };

/** Without what serves hovering in a live chart, and with ids that two charts of a page cannot share. */
function tidied(svg: string, id: string): string {
  return svg
    .replace(/<style[\s\S]*?<\/style>/g, '')
    .replace(/ (class|ecmeta_\w+|pointer-events|baseProfile|version|xmlns(:xlink)?)="[^"]*"/g, '')
    .replace(/\bzr\d+-/g, `${id}-`)
    .replace(/<svg width="\d+" height="\d+"/, '<svg aria-hidden="true" focusable="false"')
    .replace(/>\s*\n\s*</g, '><');
}
