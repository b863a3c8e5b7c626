import { importFs, importPath } from './import-on-node';

const name = 'libvulkan.so.1';
const folders = ['/lib', '/usr/lib', '/lib64', '/usr/lib64', '/usr/local/lib', '/run/opengl-driver/lib'];

/**
 * Whether Dawn can find a Vulkan loader. Asked before Dawn is loaded, because Dawn prints warnings of its own where
 * there is none. Elsewhere than on Linux the system brings its GPU interface.
 */
export async function hasVulkanLoader(): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const [{ existsSync, readFileSync }, { join }] = [await importFs(), await importPath()];
  const searched = (process.env.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder !== '');
  if ([...searched, ...folders].some((folder) => existsSync(join(folder, name)))) return true;
  try {
    // The dynamic linker's cache lists the libraries of every configured folder as plain strings.
    return readFileSync('/etc/ld.so.cache').includes(name);
  } catch {
    return false;
  }
}
