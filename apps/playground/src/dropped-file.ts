/** A file with its path in what was dropped or chosen: `pipeline/unet/config.json` of a folder, else its bare name. */
export type DroppedFile = { readonly path: string; readonly file: File };

/** More than any folder of a model holds: a photo library was dropped by mistake, or a disk. */
const MAX_FILES = 2000;

/**
 * Files of a drop, those in folders included. The entries are taken at once, as the browser forgets them after the event.
 * @throws where a folder cannot be read or holds too much.
 */
export function filesOfDrop(transfer: DataTransfer): Promise<DroppedFile[]> {
  const entries: FileSystemEntry[] = [];
  const files: DroppedFile[] = [];
  for (const item of transfer.items) {
    if (item.kind !== 'file') continue;
    const entry = item.webkitGetAsEntry();
    const file = entry === null ? item.getAsFile() : null;
    if (entry !== null) entries.push(entry);
    else if (file !== null) files.push({ path: file.name, file });
  }
  return filesOfEntries(entries, files);
}

/** Files of a file dialog; where a folder was chosen, with their paths from there. */
export function filesOfInput(files: FileList | null): DroppedFile[] {
  return Array.from(files ?? [], (file) => ({ path: file.webkitRelativePath || file.name, file })).filter(
    ({ path }) => !isHidden(path),
  );
}

async function filesOfEntries(entries: readonly FileSystemEntry[], files: DroppedFile[]): Promise<DroppedFile[]> {
  for (const entry of entries) {
    const path = entry.fullPath.replace(/^\//, '');
    if (isHidden(path)) continue;
    if (files.length >= MAX_FILES)
      throw new Error(`${path}: more than ${MAX_FILES} files; drop the folder of one model`);
    if (entry.isFile) files.push({ path, file: await fileOf(entry as FileSystemFileEntry) });
    else await filesOfEntries(await childrenOf(entry as FileSystemDirectoryEntry), files);
  }
  return files;
}

/** `.git`, `.cache`, `.DS_Store`: what tools leave in folders. */
function isHidden(path: string): boolean {
  return path.split('/').some((name) => name.startsWith('.'));
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** A reader gives at most a hundred at a time, and none when it is through. */
async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const children: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return children;
    children.push(...some);
  }
}
