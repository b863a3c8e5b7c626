import { importModule } from './import-on-node';

/** Where an optional peer's entry file lies, or null if it is not installed. */
export async function installedAt(packageName: string): Promise<string | null> {
  const { createRequire } = await importModule();
  try {
    return createRequire(import.meta.url).resolve(packageName);
  } catch {
    return null;
  }
}
