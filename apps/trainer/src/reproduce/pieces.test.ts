import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { Claim } from './claim';
import { OutOfTime, type PieceChoice, Pieces } from './pieces';
import { timeLimit } from './time-limit';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-pieces-'));
});
afterEach(() => rm(folder, { recursive: true }));

const never = new AbortController().signal;

test('a piece is computed once, and again when its settings change or its file is broken', async () => {
  const compute = vi.fn(async () => 7);
  const get = (settings: unknown) => new Pieces(folder, never).get('a', settings, z.number(), compute);
  expect([await get({ n: 1 }), await get({ n: 1 })]).toEqual([7, 7]);
  expect(compute).toHaveBeenCalledTimes(1);
  await get({ n: 2 });
  expect(compute).toHaveBeenCalledTimes(2);
  await writeFile(join(folder, 'a.json'), '{"settings":');
  await get({ n: 2 });
  expect(compute).toHaveBeenCalledTimes(3);
  await writeFile(join(folder, 'a.json'), '{"settings":"{\\"n\\":2}","seconds":1,"value":"seven"}');
  expect(await get({ n: 2 })).toBe(7);
  expect(compute).toHaveBeenCalledTimes(4);
});

test('what an earlier run has spent on a piece counts', async () => {
  await writeFile(join(folder, 'a.json'), '{"settings":"0","seconds":41.5,"value":1}');
  const pieces = new Pieces(folder, never);
  await pieces.get('a', 0, z.number(), async () => 2);
  expect(pieces.seconds).toBe(41.5);
});

test('when the time is up finished pieces are still there, and new ones are not begun', async () => {
  await new Pieces(folder, never).get('a', 0, z.number(), async () => 1);
  const controller = new AbortController();
  controller.abort(new OutOfTime('the 9 minutes are over'));
  const pieces = new Pieces(folder, controller.signal);
  const compute = vi.fn(async () => 2);
  expect(await pieces.get('a', 0, z.number(), compute)).toBe(1);
  await expect(pieces.get('b', 0, z.number(), compute)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[OutOfTime: the 9 minutes are over]`,
  );
  expect(compute).not.toHaveBeenCalled();
});

test('an interrupted piece has no value but keeps its time; one that fails leaves nothing', async () => {
  const controller = new AbortController();
  const pieces = new Pieces(folder, controller.signal);
  await expect(pieces.get('a', 0, z.number(), () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  await expect(readFile(join(folder, 'a.json'))).rejects.toThrow('ENOENT');
  const interrupted = pieces.get('a', 0, z.number(), async () => {
    controller.abort(new OutOfTime('over'));
    throw controller.signal.reason;
  });
  await expect(interrupted).rejects.toThrow('over');
  const left = JSON.parse(await readFile(join(folder, 'a.json'), 'utf8'));
  expect(left).toEqual({ settings: '0', seconds: expect.any(Number) });
  expect(await new Pieces(folder, never).get('a', 0, z.number().default(-1), async () => 3)).toBe(3);
});

/** Pieces a, b and c, whose values are their names; `computed` takes those that are computed. */
function threePieces(computed: string[] = []) {
  return ['a', 'b', 'c'].map((name) => ({
    name,
    settings: 0,
    compute: async () => {
      computed.push(name);
      return name;
    },
  }));
}

test('several processes on one folder share the pieces, and all end with the same', async () => {
  const computed: string[] = [];
  const one = () => new Pieces(folder, never).all(z.string(), threePieces(computed));
  expect(await Promise.all([one(), one(), one()])).toEqual(Array(3).fill(['a', 'b', 'c']));
  expect(computed.sort()).toEqual(['a', 'b', 'c']);
  expect((await readdir(folder)).sort()).toEqual(['a.json', 'b.json', 'c.json']);
});

test('a piece that another process has is left to it, and taken over where it gives up', async () => {
  const claim = await Claim.take(join(folder, 'a.json'));
  const computed: string[] = [];
  const all = new Pieces(folder, never).all(z.string(), threePieces(computed));
  await vi.waitFor(() => expect(computed).toEqual(['b', 'c']));
  await claim?.release();
  expect(await all).toEqual(['a', 'b', 'c']);
  expect(computed).toEqual(['b', 'c', 'a']);
});

test('a piece waits for what it needs', async () => {
  const computed: string[] = [];
  const [a, b] = threePieces(computed);
  const waiting = { ...a, ready: () => computed.includes('b') };
  expect(await new Pieces(folder, never).all(z.string(), [waiting, b])).toEqual(['a', 'b']);
  expect(computed).toEqual(['b', 'a']);
});

test('pieces that are chosen by the start of their names are computed, and nothing is made of them', async () => {
  const computed: string[] = [];
  const chosen = new Pieces(folder, never, { only: ['b', 'x'] });
  await expect(chosen.all(z.string(), threePieces(computed))).rejects.toThrow(`1 of 3 pieces, which are in ${folder}`);
  expect(computed).toEqual(['b']);
  // What others need is not chosen.
  expect(await chosen.get('needed', 0, z.number(), async () => 5)).toBe(5);
});

test('where nothing is to be computed the finished pieces are taken', async () => {
  const finished = (choice: PieceChoice) => new Pieces(folder, never, choice);
  const pieces = threePieces();
  await finished('all').all(z.string(), pieces.slice(0, 2));
  expect([...(await finished('none').some(z.string(), pieces))]).toEqual([
    ['a', 'a'],
    ['b', 'b'],
  ]);
  await expect(finished('none').all(z.string(), pieces)).rejects.toThrow(
    `${folder}: 1 of 3 pieces are not finished: c`,
  );
});

test('a piece keeps what it was computed on, which a later run on another backend says', async () => {
  await new Pieces(folder, never, 'all', 'webgpu (a device)').all(z.string(), threePieces());
  const joined = new Pieces(folder, never, 'none', 'cpu');
  await joined.all(z.string(), threePieces());
  expect(joined.backends).toEqual(['webgpu (a device)']);
});

test('time that is up while others compute ends the waiting', async () => {
  const claim = await Claim.take(join(folder, 'a.json'));
  const controller = new AbortController();
  const all = new Pieces(folder, controller.signal).all(z.string(), threePieces());
  setTimeout(() => controller.abort(new OutOfTime('over')), 100);
  await expect(all).rejects.toThrow('over');
  await claim?.release();
});

test('a time limit ends with OutOfTime, or with the reason of what interrupts it; without minutes it has no end', () => {
  vi.useFakeTimers();
  try {
    const [timed, endless] = [timeLimit(never, 9), timeLimit(never, undefined)];
    vi.advanceTimersByTime(9 * 60_000 - 1);
    expect(timed.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(timed.signal.reason).toMatchInlineSnapshot(`[OutOfTime: the 9 minutes are over]`);
    expect(endless.signal.aborted).toBe(false);
    const controller = new AbortController();
    const limited = timeLimit(controller.signal, 9);
    controller.abort('Ctrl-C');
    expect(limited.signal.reason).toBe('Ctrl-C');
    for (const { stop } of [timed, endless, limited]) stop();
  } finally {
    vi.useRealTimers();
  }
});
