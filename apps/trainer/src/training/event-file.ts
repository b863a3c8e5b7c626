import { appendFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { describeFileError } from '../files/atomic-file';
import { ProtobufWriter } from '../files/protobuf-writer';
import { UserError } from '../user-error';
import { crc32c } from './crc32c';

/** A PNG for TensorBoard's images. */
export type EventImage = { readonly png: Uint8Array; readonly width: number; readonly height: number };

const PREFIX = 'events.out.tfevents.';
/** Of tensorflow's SessionLog: steps from this one on, of an earlier file, are void. */
const SESSION_START = 1;

/**
 * A file of TensorBoard's: a record for each logged step. Every start of a run has a file of its own in the same folder;
 * TensorBoard reads them as one run.
 *
 * A record is its length (uint64), the masked CRC-32C of those eight bytes, the Event message, and its masked CRC-32C
 * (TensorFlow's `TFRecord`).
 */
export class EventFile {
  private constructor(readonly path: string) {}

  /**
   * Starts a file. @param folder of the run. @param step where the run begins: a new one, at 0, forgets earlier files.
   * @throws {UserError} when it cannot be written.
   */
  static async open(folder: string, step: number): Promise<EventFile> {
    const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, '0');
    const file = new EventFile(join(folder, `${PREFIX}${seconds}.${hostname()}.${process.pid}.${step}`));
    try {
      await mkdir(dirname(file.path), { recursive: true });
      for (const name of step === 0 ? await readdir(folder) : []) {
        if (name.startsWith(PREFIX)) await rm(join(folder, name), { force: true });
      }
      const version = record(event(0).string(3, 'brain.Event:2'));
      const start = record(event(step).message(7, new ProtobufWriter().int(1, SESSION_START)));
      await writeFile(file.path, Buffer.concat([version, start]));
    } catch (error) {
      throw file.#failure(error);
    }
    return file;
  }

  /** Adds numbers of a step, by their tags. @throws {UserError} when it cannot be written. */
  async addScalars(step: number, values: Readonly<Record<string, number>>): Promise<void> {
    const summary = new ProtobufWriter();
    for (const [tag, value] of Object.entries(values)) {
      summary.message(1, new ProtobufWriter().string(1, tag).float(2, value));
    }
    await this.#append(step, summary);
  }

  /** Adds a picture. @throws {UserError} when it cannot be written. */
  async addImage(step: number, tag: string, { png, width, height }: EventImage): Promise<void> {
    const image = new ProtobufWriter().int(1, height).int(2, width).int(3, 3).bytes(4, png);
    await this.#append(step, new ProtobufWriter().message(1, new ProtobufWriter().string(1, tag).message(4, image)));
  }

  async #append(step: number, summary: ProtobufWriter): Promise<void> {
    try {
      await appendFile(this.path, record(event(step).message(5, summary)));
    } catch (error) {
      throw this.#failure(error);
    }
  }

  #failure(error: unknown): UserError {
    return new UserError(`cannot write ${this.path}: ${describeFileError(error as NodeJS.ErrnoException)}`);
  }
}

function event(step: number): ProtobufWriter {
  return new ProtobufWriter().double(1, Date.now() / 1000).int(2, step);
}

function record(message: ProtobufWriter): Buffer {
  const data = message.join();
  const bytes = Buffer.alloc(16 + data.length);
  bytes.writeBigUInt64LE(BigInt(data.length), 0);
  bytes.writeUInt32LE(masked(crc32c(bytes.subarray(0, 8))), 8);
  bytes.set(data, 12);
  bytes.writeUInt32LE(masked(crc32c(data)), 12 + data.length);
  return bytes;
}

/** Rotated and moved, since a CRC of data that hold CRCs is weak. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
