import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import packageJson from '../package.json' with { type: 'json' };
import { spawnCli } from './spawn-cli';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-cli-'));
});
afterAll(() => rm(folder, { recursive: true }));

const run = (...args: string[]) => spawnCli(args).ended;

test('a mistyped command or option is answered with the nearest, and exit code 1', async () => {
  const [command, option] = await Promise.all([run('distil', '--config', 'x'), run('info', '--jsn')]);
  expect(command.stderr).toContain("error: unknown command 'distil'");
  expect(command.stderr).toContain('(Did you mean distill?)');
  expect(option.stderr).toContain("error: unknown option '--jsn'");
  expect(option.stderr).toContain('(Did you mean --json?)');
  expect([command.code, option.code]).toEqual([1, 1]);
  expect(command.stdout + option.stdout).toBe('');
});

test('a value that an option cannot take is an error that says what it takes', async () => {
  const [count, backend] = await Promise.all([
    run('sample', '--config', 'x', '--count', '0'),
    run('demo', '--backend', 'gpu'),
  ]);
  expect(count.stderr).toContain('It must be a whole number above 0.');
  expect(backend.stderr).toContain('Allowed choices are auto, webgpu, cuda, wasm, cpu.');
  expect([count.code, backend.code]).toEqual([1, 1]);
});

test('what a person can mend is said in words, without a stack', async () => {
  const file = join(folder, 'project.yaml');
  await writeFile(file, 'outt: x\n');
  const [missing, wrong] = await Promise.all([
    run('train', '--config', join(folder, 'none.yaml')),
    run('encode', '--config', file),
  ]);
  expect(missing.stderr).toBe(`error config: cannot read ${join(folder, 'none.yaml')}: no such file\n`);
  expect(wrong.stderr).toContain('unknown key "outt" (did you mean "out"?)');
  expect(missing.stderr + wrong.stderr).not.toMatch(/^ {4}at /m);
  expect([missing.code, wrong.code]).toEqual([1, 1]);
});

test("help lists every command, and the version is the package's", async () => {
  const [help, version] = await Promise.all([run('--help'), run('--version')]);
  for (const verb of [
    'demo',
    'info',
    'train-autoencoder',
    'encode',
    'train',
    'distill',
    'sample',
    'evaluate',
    'export',
    'reproduce',
    'serve',
  ]) {
    expect(help.stdout).toMatch(new RegExp(`^ {2}${verb} `, 'm'));
  }
  expect(version.stdout).toBe(`${packageJson.version}\n`);
  expect([help.code, version.code]).toEqual([0, 0]);
});

test('sd sample lists its samplers, and answers a mistyped one with the nearest', async () => {
  const [help, mistyped] = await Promise.all([
    run('sample', '--help'),
    run('sample', '--config', 'x', '--sampler', 'euler-b'),
  ]);
  expect(help.stdout.replace(/\s+/g, ' ')).toContain('(choices: "ddim", "ddim-inverse", "ddpm", "deis", "dpm++2m"');
  expect(mistyped.stderr).toContain('There is no sampler "euler-b" (did you mean "euler-a"?).');
});
