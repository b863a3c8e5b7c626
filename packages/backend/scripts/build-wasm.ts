import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = join(root, 'src/wasm/native/bytes.ts');

/** Compiles assembly/ to a module without memory, data or runtime of its own. */
export async function compileKernels(): Promise<Uint8Array> {
  const folder = mkdtempSync(join(tmpdir(), 'kernels-'));
  try {
    const output = join(folder, 'kernels.wasm');
    const { error, stderr } = await asc.main([
      join(root, 'assembly/index.ts'),
      ...['--outFile', output],
      ...['--runtime', 'stub', '--use', 'abort=', '--noAssert', '--enable', 'simd', '-O3', '--converge'],
      // The limits of tfjs's own memory, which is imported; the loader marks the import as shared where it is.
      ...['--importMemory', '--noExportMemory', '--initialMemory', '1', '--maximumMemory', '65536'],
    ]);
    if (error) throw new Error(`${error.message}\n${stderr.toString()}`);
    return new Uint8Array(readFileSync(output));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A hash of assembly/, by which a test knows without compiling that the bytes belong to it. */
export function sourcesHash(): string {
  const folder = join(root, 'assembly');
  const hash = createHash('sha256');
  for (const name of readdirSync(folder).sort()) hash.update(name).update(readFileSync(join(folder, name)));
  return hash.digest('hex');
}

/** The generated source: the bytes in base64. */
export function sourceOf(bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,112}/g) ?? [];
  return [
    '// Generated from packages/backend/assembly by packages/backend/scripts/build-wasm.ts; edit that, not this.',
    `export const sourcesHash = '${sourcesHash()}';`,
    'export const kernelBytes =',
    ...lines.map((line, i) => `  '${line}'${i === lines.length - 1 ? ';' : ' +'}`),
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const bytes = await compileKernels();
  writeFileSync(target, sourceOf(bytes));
  console.log(`${bytes.length} bytes -> ${target}`);
}
