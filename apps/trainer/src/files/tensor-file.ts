import { type FileHandle, open } from 'node:fs/promises';
import {
  CheckpointError,
  openSafetensors,
  openTorch,
  type RangeSource,
  type SafetensorsFile,
  type TensorFile,
} from '@sd/checkpoint';
import { UserError } from '../user-error';

/** Bytes of one read: more than 2 GiB at once is refused by the system. */
const READ_AT_ONCE = 1 << 30;

/**
 * Opens a safetensors file of any size, one tensor in memory at a time, for as long as `use` runs.
 * @throws {UserError} that names the file and what is wrong with it.
 */
export async function withSafetensors<T>(path: string, use: (file: SafetensorsFile) => Promise<T>): Promise<T> {
  return withFile(path, async (source) => use(await openSafetensors(source)));
}

/**
 * Opens weights in safetensors or in what PyTorch's `torch.save` writes (.pth, .pt, .ckpt, .bin), told apart by their
 * first bytes.
 * @throws {UserError} that names the file and what is wrong with it.
 */
export async function withWeights<T>(path: string, use: (file: TensorFile) => Promise<T>): Promise<T> {
  return withFile(path, async (source) => {
    const start = source.size < 2 ? new Uint8Array(2) : await source.read(0, 2);
    // A zip archive (PK), or a pickle of protocol 2 and later; a safetensors file begins with a length.
    const torch = (start[0] === 0x50 && start[1] === 0x4b) || (start[0] === 0x80 && start[1] >= 2 && start[1] <= 5);
    const pickled = torch && !path.endsWith('.safetensors');
    return use(pickled ? await openTorch(source) : await openSafetensors(source));
  });
}

async function withFile<T>(path: string, use: (source: RangeSource) => Promise<T>): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path);
    const status = await handle.stat();
    if (status.isDirectory()) throw new UserError(`cannot read ${path}: it is a folder`);
    return await use(rangeSource(handle, status.size));
  } catch (error) {
    if (error instanceof CheckpointError) throw new UserError(`${path}: ${error.message}`);
    if (handle === undefined)
      throw new UserError(`cannot read ${path}: ${readFailure(error as NodeJS.ErrnoException)}`);
    throw error;
  } finally {
    await handle?.close();
  }
}

function rangeSource(handle: FileHandle, size: number): RangeSource {
  return {
    size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const wanted = Math.min(READ_AT_ONCE, length - done);
        const { bytesRead } = await handle.read(bytes, done, wanted, offset + done);
        if (bytesRead === 0) break; // shorter than it was: the reader says so
        done += bytesRead;
      }
      return done === length ? bytes : bytes.subarray(0, done);
    },
  };
}

function readFailure(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return 'no such file';
  return error.code === 'EISDIR' ? 'it is a folder' : error.message;
}
