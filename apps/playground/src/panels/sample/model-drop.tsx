import { useId } from 'preact/hooks';
import { useDroppedFiles } from '../../use-dropped-files';

/** Takes a model of one's own, all its files at once, or a PNG of this page. */
export function ModelDrop({
  active,
  notes,
  onFiles,
}: {
  active: boolean;
  notes: readonly string[];
  onFiles: (files: readonly File[]) => void;
}) {
  const id = useId();
  useDroppedFiles(active, onFiles);
  return (
    <details class="drop">
      <summary>A model of your own</summary>
      <label for={id}>Choose all its files at once, or drop them here</label>
      <input
        id={id}
        type="file"
        multiple
        accept=".safetensors,.ckpt,.pt,.pth,.bin,.json,.yaml,.yml,.png"
        onChange={(event) => {
          const files = Array.from(event.currentTarget.files ?? []);
          event.currentTarget.value = ''; // the same files may be chosen again
          if (files.length > 0) onFiles(files);
        }}
      />
      <p class="hint">
        Weights of <code>sd</code>, of latent-diffusion or of diffusers, with the first stage and the{' '}
        <code>config.json</code> or <code>.yaml</code> files; or a PNG saved here, for its settings. Nothing leaves this
        browser.
      </p>
      {notes.map((note) => (
        <p key={note} class="hint">
          {note}
        </p>
      ))}
    </details>
  );
}
