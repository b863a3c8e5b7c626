import type { Gather, Gemm } from './gemm';
import { matrixUnits } from './matrix-units';
import type { MixedSum, SumOptions } from './mixed-sum';
import { FRAGMENT, haloPixels, type MixedTile, ROW_PAD, TAPS, threadsOf } from './tile';

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Whether each pixel sees itself and its eight neighbours: 3 x 3 taps, stride 1, the result as large as the image. */
export function isHaloed(gather: Gather): boolean {
  const { stepY, stepX } = gather;
  const isSame = gather.height === gather.gridHeight && gather.width === gather.gridWidth;
  const isDense = gather.mulY * gather.mulX * gather.divideY * gather.divideX === 1;
  const isAround = Math.abs(stepY) === 1 && stepX === stepY && gather.addY === -stepY && gather.addX === -stepX;
  return isSame && isDense && isAround && gather.filterWidth === 3;
}

/**
 * Whether a tile of rows of whole images covers this product: 3 x 3 taps around each pixel, rows of whole fragments, tiles
 * that end with the images, the channels and the columns. Forward and input gradients are alike but for the taps' order.
 */
export function suitsHalo(tile: MixedTile, { left, n, k }: Pick<Gemm, 'left' | 'n' | 'k'>): boolean {
  const { bm, bn, bk, taps } = tile;
  const { layout, gather } = left;
  // The threads load the filter's part evenly.
  if ((taps * bk * bn) % (4 * threadsOf(tile)) !== 0) return false;
  if (layout !== 'gather' || gather === undefined) return false;
  const { height, width, channels } = gather;
  if (!isHaloed(gather) || k !== TAPS * channels) return false;
  const isWhole = channels % bk === 0 && n % bn === 0 && width % FRAGMENT === 0;
  return isWhole && bm % width === 0 && height % (bm / width) === 0;
}

/**
 * WGSL of the sum of a convolution whose tile is rows of an image. These, and the pixels around them, are read once for
 * `bk` channels and all nine taps, which see them in the workgroup's memory at shifted places; the filter follows `taps`
 * taps at a time.
 */
export function haloSum({ left, right }: Gemm, tile: MixedTile, { scaled, edges }: SumOptions): MixedSum {
  const units = matrixUnits.current;
  const { bm, bn, bk, sm, sn, taps } = tile;
  const { width, stepY } = left.gather as Gather;
  const threads = threadsOf(tile);
  const vector = `vec4<${units.half}>`;

  const across = width + 2;
  const fours = bk / 4;
  const widthA = bk + ROW_PAD;
  const total = haloPixels(bm, width) * fours;
  const loadsA = Math.ceil(total / threads);
  const isPast = (i: number) => (i + 1) * threads > total;
  const setup = `
    let tileY = (tileM / ${width}) % uniforms.srcH;
    let tilePixel = tileM / ${width} * ${width};
    ${range(loadsA)
      .map(
        (i) => `
        var a${i} = vec4<f32>();
        let aPixel${i} = (lane + ${i * threads}) / ${fours};
        let aY${i} = aPixel${i} / ${across} - 1;
        let aX${i} = aPixel${i} % ${across} - 1;
        let aOk${i} = u32(tileY + aY${i}) < u32(uniforms.srcH) && u32(aX${i}) < ${width}u
          ${isPast(i) ? `&& lane + ${i * threads} < ${total}` : ''} ${edges.m ? '&& tileM < uniforms.m' : ''};
        let aAt${i} = (tilePixel + aY${i} * ${width} + aX${i}) * uniforms.srcC / 4 + lane % ${fours};`,
      )
      .join('')}
    ${range(sm / FRAGMENT)
      .map((i) => {
        const row = `(ownM + ${i * FRAGMENT})`;
        return `let aOwn${i} = (${row} / ${width} * ${across} + ${row} % ${width}) * ${widthA};`;
      })
      .join('\n')}`;
  const inside = (k: string) => (edges.k ? ` && ${k} < uniforms.srcC` : '');
  const fetchA = (k: string) =>
    range(loadsA)
      .map((i) => `a${i} = vec4<f32>(); if (aOk${i}${inside(k)}) { a${i} = a[aAt${i} + (${k}) / 4]; }`)
      .join('\n');
  const storeA = range(loadsA)
    .map((i) => {
      const at = `(lane + ${i * threads}) / ${fours} * ${widthA / 4} + lane % ${fours}`;
      const text = `tileA[${at}] = ${vector}(a${i}${scaled ? ' * scales.x' : ''});`;
      return isPast(i) ? `if (lane + ${i * threads} < ${total}) { ${text} }` : text;
    })
    .join('\n');

  const alongK = right.layout === 'columns';
  // Rows of B's tile: for each tap those of K, or those of N.
  const [rowsB, columnsB] = alongK ? [bn, bk] : [bk, bn];
  const widthB = columnsB + ROW_PAD;
  const sizeB = taps * rowsB * widthB;
  const loadsB = (taps * rowsB * columnsB) / 4 / threads;
  const rowB = (i: number) => `((lane + ${i * threads}) / ${columnsB / 4})`;
  const columnB = (i: number) => `((lane + ${i * threads}) % ${columnsB / 4} * 4)`;
  const fetchB = (k: string, group: string) =>
    range(loadsB)
      .map((i) => {
        const tap = `(${group} * ${taps} + ${rowB(i)} / ${rowsB})`;
        const at = alongK
          ? `(${tap} * uniforms.n + tileN + ${rowB(i)} % ${rowsB}) * uniforms.srcC + ${k} + ${columnB(i)}`
          : `(${tap} * uniforms.srcC + ${k} + ${rowB(i)} % ${rowsB}) * uniforms.n + tileN + ${columnB(i)}`;
        if (!edges.k) return `b${i} = b[(${at}) / 4];`;
        return `b${i} = vec4<f32>(); if (${k} < uniforms.srcC) { b${i} = b[(${at}) / 4]; }`;
      })
      .join('\n');
  const storeB = range(loadsB)
    .map((i) => {
      const at = `${rowB(i)} * ${widthB / 4} + ${columnB(i)} / 4`;
      return `tileB[${at}] = ${vector}(b${i}${scaled ? ' * scales.y' : ''});`;
    })
    .join('\n');

  const loadA = (i: number, k: number) => {
    const at = `u32(aOwn${i} + aTap + ${k})`;
    return units.load({ side: 'left', array: 'tileA', lanes: 4, at, stride: widthA, order: 'row_major' });
  };
  const loadB = (j: number, k: number) => {
    const own = `(ownN + ${j * FRAGMENT})`;
    const inTap = alongK ? `${own} * ${widthB} + ${k}` : `${k * widthB} + ${own}`;
    const order = alongK ? 'col_major' : 'row_major';
    const at = `u32(bTap + ${inTap})`;
    return units.load({ side: 'right', array: 'tileB', lanes: 4, at, stride: widthB, order });
  };
  const rows = range(sm / FRAGMENT);
  const multiply = (k: number) => `{
    ${rows.map((i) => `let x${i} = ${loadA(i, k)};`).join('\n')}
    ${range(sn / FRAGMENT)
      .map(
        (j) => `let y${j} = ${loadB(j, k)};
          ${rows.map((i) => `acc${i}_${j} = ${units.multiplyAdd(`x${i}`, `y${j}`, `acc${i}_${j}`)};`).join('\n')}`,
      )
      .join('\n')} }`;
  // Loops, not text for each tap: compilers unroll them where it pays.
  const compute = `
    for (var i = 0; i < ${taps}; i = i + 1) {
      let tap = ${stepY < 0 ? `${TAPS - 1} - (group * ${taps} + i)` : `group * ${taps} + i`};
      let aTap = (tap / 3 * ${across} + tap % 3) * ${widthA};
      let bTap = i * ${rowsB * widthB};
      ${range(bk / FRAGMENT)
        .map((k) => multiply(k * FRAGMENT))
        .join('\n')}
    }`;

  const groups = TAPS / taps;
  const walk = (body: (group: number) => string) => `
    for (var step = 0; step < uniforms.steps; step = step + 1) {
      ${range(groups)
        .map((group) => `{ let group = ${group}; ${body(group)} }`)
        .join('\n')}
      k0 = k0 + ${bk};
    }`;
  // The last channels again, where there are no next: reads under a condition are slower (docs/webgpu.md).
  const fetchNext = (group: number) =>
    group + 1 < groups
      ? fetchB('k0', `${group + 1}`)
      : `let nextK = min(k0 + ${bk}, lastK); ${fetchA('nextK')} ${fetchB('nextK', '0')}`;
  const loop = tile.ahead
    ? `let lastK = k0 + (uniforms.steps - 1) * ${bk};
      ${fetchA('k0')}
      ${fetchB('k0', '0')}
      ${walk(
        (group) => `
        ${group === 0 ? storeA : ''}
        ${storeB}
        workgroupBarrier();
        ${fetchNext(group)}
        ${compute}
        workgroupBarrier();`,
      )}`
    : walk(
        (group) => `
        ${group === 0 ? fetchA('k0') : ''}
        ${fetchB('k0', 'group')}
        workgroupBarrier();
        ${group === 0 ? storeA : ''}
        ${storeB}
        workgroupBarrier();
        ${compute}`,
      );
  return {
    arrays: [
      { name: 'tileA', type: vector },
      { name: 'tileB', type: vector },
    ],
    declarations: `
      var<workgroup> tileA : array<${vector}, ${(haloPixels(bm, width) * widthA) / 4}>;
      var<workgroup> tileB : array<${vector}, ${sizeB / 4}>;`,
    setup: `${setup}
      ${range(loadsB)
        .map((i) => `var b${i} = vec4<f32>();`)
        .join('\n')}`,
    loop,
  };
}
