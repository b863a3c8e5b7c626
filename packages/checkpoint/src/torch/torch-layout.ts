import type { Reading } from '../range-source';
import type { Pickle } from './pickle-machine';
import type { StorageRef } from './storage-ref';

/** A file of torch.save, of which the pickle is read: where the storages are that it names. */
export type TorchLayout = {
  readonly pickle: Pickle;
  /** @throws CheckpointError where the file has no such storage, or one of another size. */
  readonly checkStorage: (storage: StorageRef) => void;
  /** First byte of a storage that was checked. */
  readonly locate: (storage: StorageRef) => Reading<number>;
};
