/** @jsxImportSource preact */
import { checkPng } from '../png-data-uri';
import type { ImageGrid } from '../report-data';

export type GridImageProps = {
  readonly grid: ImageGrid;
  /** Names the picture in an error. */
  readonly name: string;
  readonly alt: string;
};

/** A grid of small pictures, its pixels kept sharp. */
export function GridImage({ grid, name, alt }: GridImageProps) {
  return <img class="grid" src={checkPng(grid, name)} width={grid.width} height={grid.height} alt={alt} />;
}
