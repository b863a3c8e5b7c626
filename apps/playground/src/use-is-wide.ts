import { useEffect, useState } from 'preact/hooks';

/** As in the style sheets: wide enough for the controls beside the stage. */
const WIDE = '(min-width: 52rem)';

/** Is the window wide, now? */
export function useIsWide(): boolean {
  const [isWide, setIsWide] = useState(() => matchMedia(WIDE).matches);
  useEffect(() => {
    const query = matchMedia(WIDE);
    const follow = () => setIsWide(query.matches);
    query.addEventListener('change', follow);
    return () => query.removeEventListener('change', follow);
  }, []);
  return isWide;
}
