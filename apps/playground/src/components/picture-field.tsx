import { useId } from 'preact/hooks';
import { useDroppedFiles } from '../use-dropped-files';

/** Chooses a picture, by the file dialog or by dropping it anywhere; without one a generated picture is used. */
export function PictureField({
  file,
  active,
  onFile,
}: {
  file: File | null;
  active: boolean;
  onFile: (file: File | null) => void;
}) {
  const id = useId();
  useDroppedFiles(active, async (dropped) => {
    const [first] = await dropped.catch(() => []);
    if (first !== undefined) onFile(first.file);
  });
  return (
    <div class="drop">
      <label for={id}>Photograph: choose it, or drop it here</label>
      <input
        id={id}
        type="file"
        accept="image/*"
        onChange={(event) => {
          const chosen = event.currentTarget.files?.[0];
          if (chosen) onFile(chosen);
        }}
      />
      {file === null ? (
        <p class="hint">Until then a generated picture is shown.</p>
      ) : (
        <button type="button" onClick={() => onFile(null)}>
          Back to the generated picture
        </button>
      )}
      <p class="hint">It stays in this browser.</p>
    </div>
  );
}
