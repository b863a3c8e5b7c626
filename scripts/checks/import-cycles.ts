import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runBin } from '../lib/run';
import { fail, type Outcome, pass } from '../lib/tasks';
import { root } from '../lib/workspace';

/** Whether the linter, as configured, finds a cycle through three files: a rule that is misspelt or moved finds none. */
export async function lintFindsCycles(): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'sd-cycle-'));
  try {
    mkdirSync(join(folder, 'inner'));
    copyFileSync(join(root, 'biome.json'), join(folder, 'biome.json'));
    writeFileSync(join(folder, 'a.ts'), `import { b } from './inner/b';\nexport const a = () => b;\n`);
    writeFileSync(join(folder, 'inner', 'b.ts'), `import { c } from './c';\nexport const b = () => c;\n`);
    writeFileSync(join(folder, 'inner', 'c.ts'), `import { a } from '../a';\nexport const c = () => a;\n`);
    const { status, output } = await runBin('biome', ['lint', '.'], { cwd: folder });
    const found = output.match(/lint\/suspicious\/noImportCycles/g)?.length ?? 0;
    return status !== 0 && found === 3 ? pass : fail(`biome found ${found} of 3 imports of a cycle\n${output}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
