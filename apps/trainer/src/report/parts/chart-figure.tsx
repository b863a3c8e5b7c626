/** @jsxImportSource preact */
import type { ComponentChildren } from 'preact';

export type ChartFigureProps = {
  readonly title: ComponentChildren;
  /** An `<svg>` that `renderChart` drew: our own text, never the report's strings. */
  readonly svg: string;
  /** What the chart shows, in words, for those who cannot see it. */
  readonly description: string;
  readonly children?: ComponentChildren;
};

/** A chart with its title above and its caption below. */
export function ChartFigure({ title, svg, description, children }: ChartFigureProps) {
  return (
    <figure class="chart">
      <h3>{title}</h3>
      <div role="img" aria-label={description} dangerouslySetInnerHTML={{ __html: svg }} />
      {children ? <figcaption>{children}</figcaption> : null}
    </figure>
  );
}
