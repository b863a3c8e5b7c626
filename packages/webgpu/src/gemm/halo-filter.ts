import type { Gather, Gemm } from './gemm';
import { isHaloed } from './halo';
import { matrixUnits } from './matrix-units';
import type { MixedSum, SumOptions } from './mixed-sum';
import { FRAGMENT, type MixedTile, ROW_PAD, TAPS, threadsOf } from './tile';

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Channels of the image in a tile: its rows are those of all taps. */
const channelsOf = ({ bm }: MixedTile) => bm / TAPS;

/** Rows of the image that a step takes. */
const rowsOf = ({ bk }: MixedTile, { width }: Pick<Gather, 'width'>) => bk / width;

/** Whether a tile that walks down the rows of images covers this product, the filter's gradient of a 3 x 3 convolution. */
export function suitsHaloFilter(
  tile: MixedTile,
  { left, right, m, n }: Pick<Gemm, 'left' | 'right' | 'm' | 'n'>,
): boolean {
  const { gather, layout } = left;
  if (layout !== 'gather-columns' || gather === undefined || right.layout !== 'rows' || !isHaloed(gather)) return false;
  const { width, channels, stepY } = gather;
  const isWhole = stepY === 1 && m === TAPS * channels && channels % channelsOf(tile) === 0 && n % tile.bn === 0;
  return isWhole && width % FRAGMENT === 0 && tile.bk % width === 0;
}

/**
 * Terms of the sum, with a row of zeros below each image: it is the row below the last of one image and that above the
 * first of the next.
 */
export const haloFilterTerms = ({ k, left }: Pick<Gemm, 'k' | 'left'>): number => {
  const { height } = left.gather as Gather;
  return (k / height) * (height + 1);
};

/** Values of the image in the workgroup's memory: a ring of rows, those of a step and one above and below. */
const ringRows = (tile: MixedTile, gather: Pick<Gather, 'width'>) => rowsOf(tile, gather) + 2;

/**
 * WGSL of the sum of a filter's gradient, whose workgroup walks down the rows of images. A row is read once, and stays in
 * the workgroup's memory while it and its neighbours are multiplied: all nine taps see it there, at shifted places. A
 * subgroup's fragments are the taps of its channels.
 */
export function haloFilterSum({ left }: Gemm, tile: MixedTile, { scaled }: SumOptions): MixedSum {
  const units = matrixUnits.current;
  const { bk, bn, sn } = tile;
  const gather = left.gather as Gather;
  const { width } = gather;
  const threads = threadsOf(tile);
  const vector = `vec4<${units.half}>`;
  const channels = channelsOf(tile);
  const rows = rowsOf(tile, gather);
  const slots = ringRows(tile, gather);
  const [widthA, widthB] = [channels + ROW_PAD, bn + ROW_PAD];
  const [foursA, foursB] = [channels / 4, bn / 4];
  const [loadsA, loadsB] = [(bk * foursA) / threads, (bk * foursB) / threads];

  /** Statements for the row and pixel of a load of `fours` fours a pixel; then whether the row is one of an image. */
  const place = (element: string, fours: number, row: string) => `
    let pixel = (${element}) / ${fours};
    let four = (${element}) % ${fours};
    let column = pixel % ${width};
    let row = ${row} + pixel / ${width};
    let image = row / (uniforms.srcH + 1);
    let y = row % (uniforms.srcH + 1);
    let isRow = row >= 0 && y < uniforms.srcH && image < images;
    let at = (image * uniforms.srcH + y) * ${width} + column;`;
  const readA = 'a[(at * uniforms.srcC + tileC) / 4 + four]';
  const readB = 'b[(at * uniforms.n + tileN) / 4 + four]';
  const slotOf = (row: string) => `((${row} + ${slots}) % ${slots})`;
  const inRing = `(${slotOf('row')} * ${width + 2} + column + 1) * ${widthA / 4} + four`;
  const rounded = (value: string, scale: 'x' | 'y') => `${vector}(${value}${scaled ? ` * scales.${scale}` : ''})`;

  const fetch = (row: string) => `
    ${range(loadsA)
      .map((i) => {
        const element = `lane + ${i * threads}`;
        return `{ ${place(element, foursA, `${row} + 1`)} a${i} = vec4<f32>(); if (isRow) { a${i} = ${readA}; } }`;
      })
      .join('\n')}
    ${range(loadsB)
      .map((i) => {
        const element = `lane + ${i * threads}`;
        return `{ ${place(element, foursB, row)} b${i} = vec4<f32>(); if (isRow) { b${i} = ${readB}; } }`;
      })
      .join('\n')}`;
  const store = `
    ${range(loadsA)
      .map((i) => {
        const pixel = `(lane + ${i * threads}) / ${foursA}`;
        return `{
          let row = firstRow + 1 + ${pixel} / ${width};
          let column = ${pixel} % ${width};
          let four = (lane + ${i * threads}) % ${foursA};
          tileA[${inRing}] = ${rounded(`a${i}`, 'x')};
        }`;
      })
      .join('\n')}
    ${range(loadsB)
      .map((i) => {
        const element = `(lane + ${i * threads})`;
        return `tileB[${element} / ${foursB} * ${widthB / 4} + ${element} % ${foursB}] = ${rounded(`b${i}`, 'y')};`;
      })
      .join('\n')}`;

  const multiply = (j: string, tap: number) => `acc${tap}_${j} = ${units.multiplyAdd('x', `y${j}`, `acc${tap}_${j}`)};`;
  const columns = range(sn / FRAGMENT).map(String);
  const compute = `
    for (var first = 0; first < ${bk}; first = first + ${FRAGMENT}) {
      ${columns
        .map((j) => {
          const at = `u32(first * ${widthB} + ownN + ${Number(j) * FRAGMENT})`;
          const order = 'row_major';
          return `let y${j} = ${units.load({ side: 'right', array: 'tileB', lanes: 4, at, stride: widthB, order })};`;
        })
        .join('\n')}
      ${range(3)
        .map(
          (ty) => `{
            let above = ${slotOf(`firstRow + first / ${width} + ${ty - 1}`)} * ${width + 2} + first % ${width};
            ${range(3)
              .map((tx) => {
                const at = `u32((above + ${tx}) * ${widthA} + ownC)`;
                const order = 'col_major';
                const load = units.load({ side: 'left', array: 'tileA', lanes: 4, at, stride: widthA, order });
                return `{ let x = ${load}; ${columns.map((j) => multiply(j, 3 * ty + tx)).join(' ')} }`;
              })
              .join('\n')}
          }`,
        )
        .join('\n')}
    }`;

  const size = (slots * (width + 2) * widthA) / 4;
  return {
    arrays: [
      { name: 'tileA', type: vector },
      { name: 'tileB', type: vector },
    ],
    declarations: `
      var<workgroup> tileA : array<${vector}, ${size}>;
      var<workgroup> tileB : array<${vector}, ${(bk * widthB) / 4}>;`,
    setup: `
      let tileC = tileM / ${TAPS};
      let ownC = ownM / ${TAPS};
      let images = uniforms.k / (uniforms.srcH * ${width});
      var firstRow = part * uniforms.steps * ${rows};
      ${range(loadsA)
        .map((i) => `var a${i} = vec4<f32>();`)
        .join('\n')}
      ${range(loadsB)
        .map((i) => `var b${i} = vec4<f32>();`)
        .join('\n')}`,
    loop: `
      ${fetch('firstRow')}
      // Left and right of the rows are zeros, which nobody writes again.
      for (var i = lane; i < ${size}; i = i + ${threads}) { tileA[i] = ${vector}(); }
      workgroupBarrier();
      for (var element = lane; element < ${2 * width * foursA}; element = element + ${threads}) {
        ${place('element', foursA, 'firstRow - 1')}
        if (isRow) { tileA[${inRing}] = ${rounded(readA, 'x')}; }
      }
      for (var step = 0; step < uniforms.steps; step = step + 1) {
        ${store}
        workgroupBarrier();
        // The last rows again, where there are no next: as in tiled-sum.ts.
        let nextRow = select(firstRow, firstRow + ${rows}, step + 1 < uniforms.steps);
        ${fetch('nextRow')}
        ${compute}
        workgroupBarrier();
        firstRow = firstRow + ${rows};
      }`,
    rowOf: (i) => `(${i} * uniforms.srcC + (tileM + ownM) / ${TAPS})`,
  };
}
