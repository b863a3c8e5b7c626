import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Sheet } from '../protocol';

/** A sheet of pictures, each pixel a square; takes the width that it is given. */
export function SheetCanvas({ sheet, label }: { sheet: Sheet | undefined; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const element = canvas.current;
    if (element === null || sheet === undefined) return;
    const { width, height, pixels } = sheet;
    if (element.width !== width || element.height !== height) {
      element.width = width;
      element.height = height;
    }
    element.getContext('2d')?.putImageData(new ImageData(pixels, width, height), 0, 0);
  }, [sheet]);
  return sheet === undefined ? (
    <div class="sheet empty" aria-hidden="true" />
  ) : (
    <canvas ref={canvas} class="sheet" role="img" aria-label={label} />
  );
}
