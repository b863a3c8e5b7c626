import { useEffect, useRef } from 'preact/hooks';
import { type DroppedFile, filesOfDrop } from './dropped-file';

/** Takes files and folders that are dropped anywhere on the page while `active`; reading the folders takes a while. */
export function useDroppedFiles(active: boolean, onFiles: (files: Promise<readonly DroppedFile[]>) => void): void {
  const latest = useRef(onFiles);
  latest.current = onFiles;
  useEffect(() => {
    if (!active) return;
    const allow = (event: DragEvent) => event.preventDefault(); // else the browser opens the file in place of the page
    const take = (event: DragEvent) => {
      event.preventDefault();
      if (event.dataTransfer?.types.includes('Files')) latest.current(filesOfDrop(event.dataTransfer));
    };
    addEventListener('dragover', allow);
    addEventListener('drop', take);
    return () => {
      removeEventListener('dragover', allow);
      removeEventListener('drop', take);
    };
  }, [active]);
}
