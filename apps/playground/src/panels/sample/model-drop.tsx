import { useId } from 'preact/hooks';
import { type DroppedFile, filesOfInput } from '../../dropped-file';
import { useDroppedFiles } from '../../use-dropped-files';

/** Takes a model of one's own, all its files at once or their folder, or a PNG of this page. */
export function ModelDrop({
  active,
  onFiles,
}: {
  active: boolean;
  onFiles: (files: Promise<readonly DroppedFile[]>) => void;
}) {
  useDroppedFiles(active, onFiles);
  const take = (files: readonly DroppedFile[]) => {
    if (files.length > 0) onFiles(Promise.resolve(files));
  };
  return (
    <details class="drop">
      <summary>A model of your own</summary>
      <div class="fields">
        <FilesField label="Choose all its files at once, or drop them here" onFiles={take} />
        <FilesField label="Or its folder, as diffusers has it" isFolder onFiles={take} />
        <p class="hint">
          Weights of <code>sd</code>, of latent-diffusion or of diffusers, with the first stage, the text encoder of a
          model of prompts, and the <code>config.json</code> or <code>.yaml</code> files; or a PNG saved here, for its
          settings. Nothing leaves this browser.
        </p>
      </div>
    </details>
  );
}

const KINDS = '.safetensors,.ckpt,.pt,.pth,.bin,.json,.yaml,.yml,.txt,.png';

function FilesField({
  label,
  isFolder = false,
  onFiles,
}: {
  label: string;
  isFolder?: boolean;
  onFiles: (files: readonly DroppedFile[]) => void;
}) {
  const id = useId();
  return (
    <>
      <label for={id}>{label}</label>
      <input
        id={id}
        type="file"
        {...(isFolder ? { webkitdirectory: true } : { multiple: true, accept: KINDS })}
        onChange={(event) => {
          const files = filesOfInput(event.currentTarget.files);
          event.currentTarget.value = ''; // the same files may be chosen again
          onFiles(files);
        }}
      />
    </>
  );
}
