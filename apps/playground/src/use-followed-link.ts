import { useEffect, useRef } from 'preact/hooks';

/** Runs `follow` for each link that is followed, the first included, once the panel is shown and can work. */
export function useFollowedLink(able: boolean, values: Readonly<Record<string, string>>, follow: () => void): void {
  const followed = useRef<typeof values>();
  useEffect(() => {
    if (!able || followed.current === values) return;
    followed.current = values;
    follow();
  }, [able, values]);
}
