import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { z } from 'zod';
import { writeAtomically } from '../files/atomic-file';
import { UserError } from '../user-error';
import { SCALES } from './scale';

const cell = z.string().nullable();

const table = z.object({
  title: z.string(),
  note: z.string().optional(),
  columns: z.array(z.string()),
  /** Cells as text; null where nothing was published or measured. */
  rows: z.array(z.array(cell)),
});

const figure = z.object({
  /** Of its files, `NAME.svg` and `NAME.png`. */
  name: z.string().regex(/^[a-z0-9-]+$/, 'lower-case letters, digits and "-"'),
  title: z.string(),
  /** What the picture shows, in words. */
  caption: z.string(),
});

const outcome = {
  /** What the numbers depend on: seeds, steps, sizes. */
  settings: z.record(z.string(), z.unknown()),
  tables: z.array(table),
  /** Plain sentences computed from the numbers, whatever they say. */
  findings: z.array(z.string()),
  /** The numbers themselves. */
  values: z.record(z.string(), z.unknown()),
};

export const resultSchema = z.object({
  format: z.literal('sd-reproduction-1'),
  name: z.string(),
  title: z.string(),
  paper: z.string(),
  method: z.string(),
  scale: z.enum(SCALES),
  seed: z.int(),
  /** ISO date and time. */
  date: z.string(),
  backend: z.string(),
  /** Of computing, over all pieces and starts of the command. */
  seconds: z.number(),
  figures: z.array(figure),
  ...outcome,
});

/** What a run of a figure or table leaves behind. */
export type ReproductionResult = z.infer<typeof resultSchema>;
export type ResultTable = z.infer<typeof table>;
export type DrawnFigure = z.infer<typeof figure> & {
  /** The text of an SVG file. */
  readonly svg: string;
};

/** What a reproduction computes: the result without what the command knows, its figures drawn. */
export type Outcome = Pick<ReproductionResult, keyof typeof outcome> & { readonly figures: readonly DrawnFigure[] };

/** Of the JSON file in a figure's or table's folder. */
export const RESULT_FILE = 'result.json';

/** Pixels of a PNG for one of the SVG. */
const PNG_SCALE = 2;

/** Writes the figures as SVG and PNG, then the numbers. @throws {UserError} when a file cannot be written. */
export async function writeResult(
  folder: string,
  result: Omit<ReproductionResult, 'figures'>,
  figures: readonly DrawnFigure[],
): Promise<void> {
  for (const { name, svg } of figures) {
    await writeAtomically(join(folder, `${name}.svg`), svg);
    await writeAtomically(join(folder, `${name}.png`), await rasterized(svg));
  }
  const whole = resultSchema.parse({ ...result, figures });
  await writeAtomically(join(folder, RESULT_FILE), `${JSON.stringify(whole, null, 2)}\n`);
}

/** @throws {UserError} where the file is missing or broken. */
export async function readResult(file: string): Promise<ReproductionResult> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new UserError(`there is no result at ${file}: make one with \`sd reproduce\``);
  });
  const parsed = resultSchema.safeParse(json(file, text));
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw new UserError(`${file}: not a result of \`sd reproduce\`: ${path.join('.') || 'top level'}: ${message}`);
}

function json(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file}: not a result of \`sd reproduce\`: ${(error as Error).message}`);
  }
}

async function rasterized(svg: string): Promise<Buffer> {
  return sharp(Buffer.from(svg), { density: 72 * PNG_SCALE })
    .flatten({ background: '#fff' })
    .png()
    .toBuffer();
}
