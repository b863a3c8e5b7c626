import { parentPort } from 'node:worker_threads';
import { decodeSquareImage, type SquareOptions } from '../image-file';

/** What a decoding thread is asked. */
export type DecodeRequest = { readonly id: number; readonly picture: Uint8Array; readonly options: SquareOptions };

/** What it answers. */
export type DecodeReply =
  | { readonly id: number; readonly pixels: Uint8Array }
  | { readonly id: number; readonly error: string };

parentPort?.on('message', async ({ id, picture, options }: DecodeRequest) => {
  try {
    const pixels = await decodeSquareImage(picture, options);
    parentPort?.postMessage({ id, pixels } satisfies DecodeReply, [pixels.buffer as ArrayBuffer]);
  } catch (error) {
    parentPort?.postMessage({ id, error: (error as Error).message } satisfies DecodeReply);
  }
});
