import type { BackendName } from '@sd/backend';

/** What `sd demo` is asked for. */
export type DemoOptions = {
  /** A folder of photographs in place of generated images. */
  readonly data?: string;
  readonly out: string;
  readonly seed: number;
  readonly backend?: BackendName | 'auto';
};
