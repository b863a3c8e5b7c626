import { useState } from 'preact/hooks';
import type { Client } from '../../client';
import type { SampleOutcome } from '../../protocol';
import { saveFile } from '../../save-file';

/** The images as a PNG with their settings inside, and a link that makes them again. */
export function SaveButtons({
  client,
  outcome,
  onFail,
}: {
  client: Client;
  outcome: SampleOutcome;
  onFail: (message: string) => void;
}) {
  const [copied, setCopied] = useState(false);
  const { settings, images } = outcome;
  const save = async () => {
    try {
      const bytes = await client.png(images, settings);
      saveFile(new Blob([bytes], { type: 'image/png' }), `${settings.model}-seed-${settings.seed}.png`);
    } catch (error) {
      onFail(error instanceof Error ? error.message : String(error));
    }
  };
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      setCopied(true);
      setTimeout(() => setCopied(false), 2000);
    } catch {
      onFail('The browser does not allow to copy; the address of this page is the link.');
    }
  };
  return (
    <div class="buttons">
      <button type="button" onClick={save}>
        Save PNG
      </button>
      <button type="button" onClick={copy}>
        {copied ? 'Copied' : 'Copy link'}
      </button>
    </div>
  );
}
