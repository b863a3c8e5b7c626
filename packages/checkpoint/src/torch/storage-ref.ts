import type { DType } from '../tensor-view';

/** A range of bytes of the file that tensors are views of. */
export class StorageRef {
  constructor(
    readonly key: string,
    /** Undefined where the storage is bytes, whose type each tensor tells. */
    readonly dtype: DType | undefined,
    /** Bytes of the storage in the file. */
    readonly fileBytes: number,
    /** The same in elements. */
    readonly elements: number,
    /** This storage within that: another than all of it where the file was saved with views of storages. */
    readonly begin: number,
    readonly bytes: number,
  ) {}
}
