import { expect, test } from 'vitest';
import { filesOfDrop, filesOfInput } from './dropped-file';

type Tree = { readonly [name: string]: Tree | string };

/** What a browser gives for a dropped file or folder: its children come by the hundred, and only once. */
function entryOf(path: string, content: Tree | string): FileSystemEntry {
  const fullPath = `/${path}`;
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (typeof content === 'string') {
    const file = (take: (file: File) => void) => take(new File([content], name));
    return { isFile: true, isDirectory: false, fullPath, name, file } as unknown as FileSystemEntry;
  }
  const createReader = () => {
    const children = Object.entries(content).map(([child, inside]) => entryOf(`${path}/${child}`, inside));
    return { readEntries: (take: (entries: FileSystemEntry[]) => void) => take(children.splice(0, 100)) };
  };
  return { isFile: false, isDirectory: true, fullPath, name, createReader } as unknown as FileSystemEntry;
}

function dropOf(tree: Tree): DataTransfer {
  const items = Object.entries(tree).map(([name, content]) => ({
    kind: 'file',
    webkitGetAsEntry: () => entryOf(name, content),
    getAsFile: () => null,
  }));
  return { items } as unknown as DataTransfer;
}

test('folders are read to the bottom, files keep their paths, and what tools hide is left out', async () => {
  const many = Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`${i}.json`, '{}']));
  const files = await filesOfDrop(
    dropOf({ 'a.txt': 'a', pipeline: { unet: { 'config.json': '{}' }, '.git': { HEAD: 'x' }, '.DS_Store': '', many } }),
  );
  expect(files.length).toBe(252);
  expect(files.slice(0, 3).map(({ path }) => path)).toEqual([
    'a.txt',
    'pipeline/unet/config.json',
    'pipeline/many/0.json',
  ]);
  expect(await files[0].file.text()).toBe('a');
});

test('a disk that was dropped by mistake is not read', async () => {
  const disk = Object.fromEntries(Array.from({ length: 2001 }, (_, i) => [`${i}.jpg`, '']));
  await expect(filesOfDrop(dropOf({ disk }))).rejects.toThrowErrorMatchingInlineSnapshot(
    `[Error: disk/2000.jpg: more than 2000 files; drop the folder of one model]`,
  );
});

test('what the browser has as a file without an entry is taken as such', async () => {
  const file = new File(['x'], 'a.png');
  const items = [
    { kind: 'string', webkitGetAsEntry: () => null, getAsFile: () => null },
    { kind: 'file', webkitGetAsEntry: () => null, getAsFile: () => file },
  ];
  expect(await filesOfDrop({ items } as unknown as DataTransfer)).toEqual([{ path: 'a.png', file }]);
});

test('files of a chosen folder have their paths, others their names', () => {
  const inFolder = Object.assign(new File([''], 'config.json'), { webkitRelativePath: 'unet/config.json' });
  const hidden = Object.assign(new File([''], 'HEAD'), { webkitRelativePath: 'unet/.git/HEAD' });
  const alone = new File([''], 'a.png');
  const files = [inFolder, hidden, alone] as unknown as FileList;
  expect(filesOfInput(files).map(({ path }) => path)).toEqual(['unet/config.json', 'a.png']);
  expect(filesOfInput(null)).toEqual([]);
});
