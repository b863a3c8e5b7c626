import type { Gather, Left, Right } from './gemm';

/** What a tile of an operand needs in a shader: text, for `threads` threads that load four values at a time. */
export type TileLoader = {
  /** Whether the four values lie along K (else along M or N). */
  readonly alongK: boolean;
  /** Loads of four per thread and step. */
  readonly loads: number;
  /** Before the loop. */
  readonly setup: string;
  /** Sets the variables `NAME0`, `NAME1`, ... for the step that starts at `k0` and may read up to `kEnd`. */
  readonly fetch: string;
  /** Where the i-th load belongs in the tile: row and first column, as laid out (rows of K, or rows of M or N). */
  readonly row: (i: number) => string;
  readonly column: (i: number) => string;
};

type Options = {
  readonly name: 'a' | 'b';
  /** Rows (of A) or columns (of B) in the tile. */
  readonly extent: number;
  readonly bk: number;
  readonly threads: number;
  /** Four values can be read at once: their number along the contiguous axis is a multiple of four. */
  readonly vector: boolean;
  /** Whether tiles reach beyond the operand's rows (of A) or columns (of B), and steps beyond the end of the sum. */
  readonly edges: { readonly extent: boolean; readonly k: boolean };
};

/** Whether groups of four values of the operand never straddle a row, a tap or the end. */
export function isVector(operand: Left | Right, { m, n, k }: { m: number; n: number; k: number }): boolean {
  if ('gather' in operand && operand.gather !== undefined) return true;
  if ('channels' in operand) return (operand.layout === 'rows' ? n : operand.channels) % 4 === 0;
  return (operand.layout === 'rows' ? k : m) % 4 === 0;
}

/** Whether threads divide a tile evenly, as the loaders need. */
export function fits(extent: number, bk: number, threads: number, alongK: boolean): boolean {
  if (alongK) return threads % (bk / 4) === 0 && extent % (threads / (bk / 4)) === 0;
  return threads % bk === 0 && (extent / 4) % (threads / bk) === 0;
}

/** Names an operand's text among the pipelines. */
export function operandKey(operand: Left | Right, vector: boolean): string {
  const gather = 'gather' in operand ? operand.gather : undefined;
  if (gather === undefined) return `${operand.layout}${vector ? 4 : 1}`;
  return `${operand.layout}${gather.filterWidth}${gather.divideY}${gather.divideX}${gather.repeat}`;
}

export function leftLoader(left: Left, options: Omit<Options, 'name'>): TileLoader {
  const all = { ...options, name: 'a' } as const;
  if (left.layout === 'rows') return linearAlongK(all, 'm', 'uniforms.k');
  if (left.layout === 'columns') return linearAcrossK(all, 'm');
  const gather = left.gather as Gather;
  return left.layout === 'gather' ? gatherAlongK(all, gather) : gatherAcrossK(all, gather);
}

export function rightLoader(right: Right, options: Omit<Options, 'name'>): TileLoader {
  const all = { ...options, name: 'b' } as const;
  return right.layout === 'rows' ? linearAcrossK(all, 'n') : tapsAlongK(all);
}

const lanes = ['x', 'y', 'z', 'w'] as const;
/** WGSL: all of the conditions that are asked for. */
export const allOf = (...conditions: readonly (string | false)[]) =>
  conditions.filter((each) => each !== false).join(' && ') || 'true';
const each = (count: number, text: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => text(i)).join('\n');

/** Threads that go along K: `kv` of four values each, then rows. */
function alongK({ name, extent, bk, threads }: Options) {
  const perRow = bk / 4;
  const rowsAtOnce = threads / perRow;
  const loads = extent / rowsAtOnce;
  return {
    alongK: true,
    loads,
    rowsAtOnce,
    declare: `
      let ${name}Kv = (lane % ${perRow}) * 4;
      let ${name}Row = lane / ${perRow};
      ${each(loads, (i) => `var ${name}${i} = vec4<f32>();`)}`,
    row: (i: number) => `(${name}Row + ${i * rowsAtOnce})`,
    column: () => `${name}Kv`,
  };
}

/** Threads that go across K: each in one row of K, four values of M or N at a time. */
function acrossK({ name, extent, bk, threads }: Options) {
  const perRow = threads / bk;
  const loads = extent / 4 / perRow;
  return {
    alongK: false,
    loads,
    declare: `
      let ${name}K = lane / ${perRow};
      let ${name}Column = (lane % ${perRow}) * 4;
      ${each(loads, (i) => `var ${name}${i} = vec4<f32>();`)}`,
    row: () => `${name}K`,
    column: (i: number) => `(${name}Column + ${i * perRow * 4})`,
  };
}

/** Reads four values at `offset`, a multiple of four, or one by one under a condition for each. */
function read(name: string, vector: boolean, target: string, offset: (c: number) => string, ok: (c: number) => string) {
  if (vector && ok(0) === 'true') return `${target} = ${name}[(${offset(0)}) / 4];`;
  if (vector) return `${target} = vec4<f32>(); if (${ok(0)}) { ${target} = ${name}[(${offset(0)}) / 4]; }`;
  return `${target} = vec4<f32>();
    ${lanes.map((lane, c) => `if (${ok(c)}) { ${target}.${lane} = ${name}[${offset(c)}]; }`).join('\n')}`;
}

/** A matrix whose rows (of M) run along K. */
function linearAlongK(options: Options, extentName: 'm' | 'n', width: string): TileLoader {
  const { name, vector, edges } = options;
  const { declare, ...layout } = alongK(options);
  const first = name === 'a' ? 'tileM' : 'tileN';
  return {
    ...layout,
    setup: `${declare}
      ${each(layout.loads, (i) => `let ${name}At${i} = ${name}Base + (${first} + ${layout.row(i)}) * ${width};`)}`,
    fetch: `{ let k = k0 + ${name}Kv;
      ${each(layout.loads, (i) =>
        read(
          name,
          vector,
          `${name}${i}`,
          (c) => `${name}At${i} + k + ${c}`,
          (c) =>
            allOf(edges.extent && `${first} + ${layout.row(i)} < uniforms.${extentName}`, edges.k && `k + ${c} < kEnd`),
        ),
      )} }`,
  };
}

/** A matrix whose rows (of K) run along M or N. */
function linearAcrossK(options: Options, extentName: 'm' | 'n'): TileLoader {
  const { name, vector, edges } = options;
  const { declare, ...layout } = acrossK(options);
  const first = name === 'a' ? 'tileM' : 'tileN';
  return {
    ...layout,
    setup: declare,
    fetch: `{ let k = k0 + ${name}K;
      let at = ${name}Base + k * uniforms.${extentName} + ${first};
      ${each(layout.loads, (i) =>
        read(
          name,
          vector,
          `${name}${i}`,
          (c) => `at + ${layout.column(i)} + ${c}`,
          (c) =>
            allOf(
              edges.k && 'k < kEnd',
              edges.extent && `${first} + ${layout.column(i)} + ${c} < uniforms.${extentName}`,
            ),
        ),
      )} }`,
  };
}

/** B of a filter's taps, each a matrix `[N, C]`, or of one transposed matrix. */
function tapsAlongK(options: Options): TileLoader {
  const { name, vector, edges } = options;
  const { declare, ...layout } = alongK(options);
  const tapOf = (c: number) => `
    let tap${c} = (k + ${c}) / uniforms.rightChannels;
    let at${c} = ${name}Base + tap${c} * uniforms.n * uniforms.rightChannels + (k + ${c} - tap${c} * uniforms.rightChannels);`;
  return {
    ...layout,
    setup: declare,
    fetch: `{ let k = k0 + ${name}Kv;
      ${each(vector ? 1 : 4, tapOf)}
      ${each(layout.loads, (i) =>
        read(
          name,
          vector,
          `${name}${i}`,
          (c) => `at${c} + (tileN + ${layout.row(i)}) * uniforms.rightChannels`,
          (c) => allOf(edges.extent && `tileN + ${layout.row(i)} < uniforms.n`, edges.k && `k + ${c} < kEnd`),
        ),
      )} }`,
  };
}

/** WGSL that sets `name`Y and `name`X, divided, and `name`Ok. */
function divided({ divideY, divideX, repeat }: Gather, name: string): string {
  if (divideY === 1 && divideX === 1) {
    const times = repeat === 1 ? '' : ` * ${repeat}u`;
    return `let ${name}Ok = u32(${name}Y) < u32(uniforms.srcH)${times} && u32(${name}X) < u32(uniforms.srcW)${times};`;
  }
  return `
    let ${name}Ok = ${name}Y >= 0 && ${name}X >= 0 && ${name}Y % ${divideY} == 0 && ${name}X % ${divideX} == 0
      && ${name}Y / ${divideY} < uniforms.srcH && ${name}X / ${divideX} < uniforms.srcW;`;
}
const whole = ({ divideY, divideX, repeat }: Gather, name: string) => ({
  y: divideY * repeat === 1 ? `${name}Y` : `${name}Y / ${divideY * repeat}`,
  x: divideX * repeat === 1 ? `${name}X` : `${name}X / ${divideX * repeat}`,
});

/** WGSL: a coordinate, or one far outside of the image where there is no such pixel. */
const outside = (coordinate: string, condition: string | false) =>
  condition === false ? coordinate : `select(-0x1000000, ${coordinate}, ${condition})`;

/** A of a convolution: a row for each pixel of the result, the taps' channels along K. */
function gatherAlongK(options: Options, gather: Gather): TileLoader {
  const { name, edges } = options;
  const { declare, ...layout } = alongK(options);
  const at = whole(gather, 'p');
  const loadOne = (i: number) => `{
      let pY = aY${i} + stepY;
      let pX = aX${i} + stepX;
      ${divided(gather, 'p')}
      ${name}${i} = vec4<f32>();
      if (${allOf('pOk', edges.k && 'k < kEnd')}) {
        ${name}${i} = ${name}[((aImage${i} + (${at.y}) * uniforms.srcW + ${at.x}) * uniforms.srcC + channel) / 4];
      } }`;
  return {
    ...layout,
    setup: `${declare}
      ${each(
        layout.loads,
        (i) => `
        let aPixel${i} = tileM + ${layout.row(i)};
        let aLine${i} = aPixel${i} / uniforms.gridW;
        let aN${i} = aLine${i} / uniforms.gridH;
        let aImage${i} = aN${i} * uniforms.srcH * uniforms.srcW;
        let aY${i} = ${outside(`(aLine${i} - aN${i} * uniforms.gridH) * uniforms.mulY + uniforms.addY`, edges.extent && `aPixel${i} < uniforms.m`)};
        let aX${i} = (aPixel${i} - aLine${i} * uniforms.gridW) * uniforms.mulX + uniforms.addX;`,
      )}`,
    fetch: `{ let k = k0 + ${name}Kv;
      let tap = k / uniforms.srcC;
      let channel = k - tap * uniforms.srcC;
      let stepY = (tap / ${gather.filterWidth}) * uniforms.stepY;
      let stepX = (tap % ${gather.filterWidth}) * uniforms.stepX;
      ${each(layout.loads, loadOne)} }`,
  };
}

/** A of a filter's gradient: a row of K for each pixel, the taps' channels along M. */
function gatherAcrossK(options: Options, gather: Gather): TileLoader {
  const { name, edges } = options;
  const { declare, ...layout } = acrossK(options);
  const at = whole(gather, 'p');
  const tapOf = (i: number) => `
    let aRow${i} = tileM + ${layout.column(i)};
    let aTap${i} = aRow${i} / uniforms.srcC;
    let aStepY${i} = (aTap${i} / ${gather.filterWidth}) * uniforms.stepY + uniforms.addY;
    let aStepX${i} = (aTap${i} % ${gather.filterWidth}) * uniforms.stepX + uniforms.addX;
    let aChannel${i} = aRow${i} - aTap${i} * uniforms.srcC;`;
  const loadOne = (i: number) => `{
      let pY = y + aStepY${i};
      let pX = x + aStepX${i};
      ${divided(gather, 'p')}
      ${name}${i} = vec4<f32>();
      if (${allOf('pOk', edges.k && 'k < kEnd', edges.extent && `aRow${i} < uniforms.m`)}) {
        ${name}${i} = ${name}[((image + (${at.y}) * uniforms.srcW + ${at.x}) * uniforms.srcC + aChannel${i}) / 4];
      } }`;
  return {
    ...layout,
    setup: `${declare}
      ${each(layout.loads, tapOf)}`,
    fetch: `{ let k = k0 + ${name}K;
      let line = k / uniforms.gridW;
      let imageOf = line / uniforms.gridH;
      let image = imageOf * uniforms.srcH * uniforms.srcW;
      let y = (line - imageOf * uniforms.gridH) * uniforms.mulY;
      let x = (k - line * uniforms.gridW) * uniforms.mulX;
      ${each(layout.loads, loadOne)} }`,
  };
}
