import type { Client } from '../client';

/** What every panel is given. */
export type PanelProps = {
  readonly client: Client;
  /** False while the backend starts, or after it could not. */
  readonly ready: boolean;
  /** Raised when models must be loaded again. */
  readonly generation: number;
  /** Is it the one that is shown? */
  readonly active: boolean;
  /** The settings of the address, changed only by links. */
  readonly values: Readonly<Record<string, string>>;
  /** Puts the panel's settings into the address. */
  readonly onSettings: (values: Readonly<Record<string, string | number | boolean>>) => void;
};
