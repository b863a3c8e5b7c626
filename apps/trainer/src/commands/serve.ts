import { once } from 'node:events';
import { interruptSignal } from '../console/interrupt';
import { serveRun } from '../serve/serve-run';
import { say } from './context';

/** `sd serve RUN`: a live page of a run, until Ctrl-C. */
export async function serve(path: string, { port }: { readonly port: number }): Promise<void> {
  const served = await serveRun(path, port);
  const { signal, stop } = interruptSignal('the page is closed');
  try {
    say(`${served.url}  (Ctrl-C ends it)`);
    await once(signal, 'abort');
  } finally {
    stop();
    await served.close();
  }
}
