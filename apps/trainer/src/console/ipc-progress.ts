import { z } from 'zod';
import type { OpenProgress, Progress } from './progress';

const message = z.discriminatedUnion('type', [
  z.object({ type: z.literal('open'), id: z.number(), label: z.string(), total: z.number(), unit: z.string() }),
  z.object({ type: z.literal('update'), id: z.number(), done: z.number(), note: z.string() }),
  z.object({ type: z.literal('stop'), id: z.number() }),
]);

/** Set for a child process whose parent shows its progress. */
export const PROGRESS_BY_IPC = 'SD_PROGRESS_BY_IPC';

/** Sends progress to the parent process, which shows it with `showIpcProgress`. */
export function ipcProgress(): OpenProgress {
  process.once('disconnect', () => process.exit(1)); // the parent is gone
  process.channel?.unref(); // a listener of 'disconnect' would keep the process alive
  let next = 0;
  const send = (value: z.infer<typeof message>) => process.send?.(value);
  return (label, total, unit) => {
    const id = next++;
    send({ type: 'open', id, label, total, unit });
    return {
      update: (done, note = '') => send({ type: 'update', id, done, note }),
      stop: () => send({ type: 'stop', id }),
    };
  };
}

/** Shows what a child process sends. @returns the listener for its messages. */
export function showIpcProgress(openProgress: OpenProgress): (value: unknown) => void {
  const lines = new Map<number, Progress>();
  return (value) => {
    const parsed = message.safeParse(value);
    if (!parsed.success) return;
    const { data } = parsed;
    if (data.type === 'open') lines.set(data.id, openProgress(data.label, data.total, data.unit));
    else if (data.type === 'update') lines.get(data.id)?.update(data.done, data.note);
    else lines.get(data.id)?.stop();
  };
}
