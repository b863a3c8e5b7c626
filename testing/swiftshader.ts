import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The headless Chromium and SwiftShader that `@sparticuz/chromium` ships, unpacked. */
export type UnpackedChromium = {
  readonly executable: string;
  /** What a process needs in its environment from its start on, for Chromium to load and for Dawn to find Vulkan. */
  readonly environment: Readonly<Record<'LD_LIBRARY_PATH' | 'VK_ICD_FILENAMES', string>>;
};

export type Unpacked = UnpackedChromium | { readonly reason: string };

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = join(root, 'node_modules', '.cache');
const notes = 'unpacked.json';

/**
 * Unpacks once per version (3 s, 200 MB) into node_modules/.cache; afterwards it reads one small file. Where it cannot
 * work it gives the reason instead, and never throws.
 */
export function unpackChromium(): Unpacked {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return { reason: `the Chromium that npm ships is for linux-x64, this is ${process.platform}-${process.arch}` };
  }
  try {
    const manifest = join(root, 'node_modules', '@sparticuz', 'chromium', 'package.json');
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
    const folder = join(cache, `chromium-${version}`);
    if (!existsSync(join(folder, notes))) unpackInto(folder);
    const { ownLibraries } = JSON.parse(readFileSync(join(folder, notes), 'utf8')) as { ownLibraries: boolean };
    return describe(folder, ownLibraries);
  } catch (error) {
    return { reason: `Chromium could not be unpacked: ${String(error).split('\n', 1)[0]}` };
  }
}

/**
 * Gives this process's children SwiftShader as their Vulkan device, unless the user has chosen a driver
 * (`VK_DRIVER_FILES`, `VK_ICD_FILENAMES`). The dynamic linker reads its path when a process starts, hence in the parent.
 * @returns why it cannot be, or null.
 */
export function offerSwiftshader(): string | null {
  if ((process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES) !== undefined) return null;
  const unpacked = unpackChromium();
  if ('reason' in unpacked) return unpacked.reason;
  Object.assign(process.env, unpacked.environment);
  return null;
}

function unpackInto(folder: string): void {
  // Processes that do this at the same time each unpack into a folder of their own; the first to finish wins.
  const staging = `${folder}.${process.pid}`;
  mkdirSync(staging, { recursive: true });
  try {
    // The package unpacks into the temporary folder, and the system libraries only where it believes to be in a cloud.
    const script = `import chromium from '@sparticuz/chromium'; await chromium.executablePath();`;
    execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: root,
      env: { ...process.env, NODE_OPTIONS: '', TMPDIR: staging, CODEBUILD_BUILD_IMAGE: 'nodejs20' },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 120_000,
    });
    const ownLibraries = !starts(describe(staging, false)) && starts(describe(staging, true));
    writeFileSync(join(staging, notes), JSON.stringify({ ownLibraries }));
    if (!existsSync(join(folder, notes))) rmSync(folder, { recursive: true, force: true });
    renameSync(staging, folder);
  } catch (error) {
    if (!existsSync(join(folder, notes))) throw error;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** Whether Chromium finds the libraries (nss, nspr, expat) that it expects of the system. */
function starts({ executable, environment }: UnpackedChromium): boolean {
  return spawnSync(executable, ['--version'], { env: { ...process.env, ...environment } }).status === 0;
}

function describe(folder: string, ownLibraries: boolean): UnpackedChromium {
  const libraries = ownLibraries ? [folder, join(folder, 'al2023', 'lib')] : [folder];
  const inherited = (process.env.LD_LIBRARY_PATH ?? '').split(':').filter((path) => path && !libraries.includes(path));
  return {
    executable: join(folder, 'chromium'),
    environment: {
      LD_LIBRARY_PATH: [...libraries, ...inherited].join(':'),
      VK_ICD_FILENAMES: join(folder, 'vk_swiftshader_icd.json'),
    },
  };
}
