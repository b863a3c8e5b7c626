import { useEffect, useRef } from 'preact/hooks';

/** Takes files that are dropped anywhere on the page while `active`. */
export function useDroppedFiles(active: boolean, onFiles: (files: readonly [File, ...File[]]) => void): void {
  const latest = useRef(onFiles);
  latest.current = onFiles;
  useEffect(() => {
    if (!active) return;
    const allow = (event: DragEvent) => event.preventDefault(); // else the browser opens the file in place of the page
    const take = (event: DragEvent) => {
      event.preventDefault();
      const [first, ...others] = event.dataTransfer?.files ?? [];
      if (first !== undefined) latest.current([first, ...others]);
    };
    addEventListener('dragover', allow);
    addEventListener('drop', take);
    return () => {
      removeEventListener('dragover', allow);
      removeEventListener('drop', take);
    };
  }, [active]);
}
