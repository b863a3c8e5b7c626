import { useEffect, useRef, useState } from 'preact/hooks';
import type { PanelProps } from '../panels/panel-props';
import { type ReadOptions, readSettings } from './hash';

type Settings = Record<string, string | number | boolean>;

/**
 * A panel's settings: those of the link that was followed last, then as they are changed; the address says them.
 * @returns them, and what changes some of them and gives the result. Changes that follow each other at once add up.
 */
export function useLinkedSettings<S extends Settings>(
  { values, onSettings }: Pick<PanelProps, 'values' | 'onSettings'>,
  defaults: S,
  options: ReadOptions,
): readonly [settings: S, change: (part: Partial<S>) => S] {
  const [settings, setSettings] = useState(() => readSettings(values, defaults, options));
  const latest = useRef(settings);
  const set = (next: S) => {
    latest.current = next;
    setSettings(next);
    onSettings(next);
    return next;
  };
  useEffect(() => {
    set(readSettings(values, defaults, options));
  }, [values]);
  return [settings, (part) => set({ ...latest.current, ...part })];
}
