import type { Gemm } from './gemm';
import { matrixUnits } from './matrix-units';
import type { MixedSum, SumOptions } from './mixed-sum';
import { leftLoader, rightLoader } from './operands';
import { FRAGMENT, type MixedTile, ROW_PAD, threadsOf } from './tile';

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** WGSL of the sum over K by tiles of both operands, `bk` terms at a time. */
export function tiledSum(
  { left, right }: Gemm,
  tile: MixedTile,
  { vectorA, vectorB, edges, scaled }: SumOptions,
): MixedSum {
  const units = matrixUnits.current;
  const { bm, bn, bk, sm, sn, stages } = tile;
  const threads = threadsOf(tile);
  const a = leftLoader(left, { extent: bm, bk, threads, vector: vectorA, edges: { extent: edges.m, k: edges.k } });
  const b = rightLoader(right, { extent: bn, bk, threads, vector: vectorB, edges: { extent: edges.n, k: edges.k } });
  const widthA = (a.alongK ? bk : bm) + ROW_PAD;
  const widthB = (b.alongK ? bk : bn) + ROW_PAD;
  const sizeA = (a.alongK ? bm : bk) * widthA;
  const sizeB = (b.alongK ? bn : bk) * widthB;
  const [rows, columns] = [sm / FRAGMENT, sn / FRAGMENT];

  const store = (half: string) =>
    [
      ...range(a.loads).map((i) => ({ loader: a, i, name: 'a', tileName: 'tileA', width: widthA, size: sizeA })),
      ...range(b.loads).map((i) => ({ loader: b, i, name: 'b', tileName: 'tileB', width: widthB, size: sizeB })),
    ]
      .map(({ loader, i, name, tileName, width, size }) => {
        const value = scaled ? `${name}${i} * scales.${name === 'a' ? 'x' : 'y'}` : `${name}${i}`;
        const at = `${half} * ${size / 4} + ${loader.row(i)} * ${width / 4} + ${loader.column(i)} / 4`;
        return `${tileName}[${at}] = vec4<${units.half}>(${value});`;
      })
      .join('\n');

  const load = (side: 'a' | 'b', i: number, k: number, half: string) => {
    const left = side === 'a';
    const along = left ? a.alongK : b.alongK;
    const [tileName, width, size] = left ? (['tileA', widthA, sizeA] as const) : (['tileB', widthB, sizeB] as const);
    const own = `(${left ? 'ownM' : 'ownN'} + ${i * FRAGMENT})`;
    const at = along ? `${own} * ${width} + ${k * FRAGMENT}` : `${k * FRAGMENT * width} + ${own}`;
    const order = along === left ? 'row_major' : 'col_major';
    const matrix = units.load({
      side: left ? 'left' : 'right',
      array: tileName,
      lanes: 4,
      at: `u32(${half} * ${size} + ${at})`,
      stride: width,
      order,
    });
    return `let ${left ? 'x' : 'y'}${i} = ${matrix};`;
  };
  const compute = (half: string) =>
    range(bk / FRAGMENT)
      .map(
        (k) => `{
          ${range(rows)
            .map((i) => load('a', i, k, half))
            .join('\n')}
          ${range(columns)
            .map(
              (j) => `${load('b', j, k, half)}
                ${range(rows)
                  .map((i) => `acc${i}_${j} = ${units.multiplyAdd(`x${i}`, `y${j}`, `acc${i}_${j}`)};`)
                  .join('\n')}`,
            )
            .join('\n')} }`,
      )
      .join('\n');

  const fetch = `${a.fetch} ${b.fetch}`;
  // The last step again, where there is no next: reads under a condition are slower (docs/webgpu.md).
  const last = `let lastK = k0 + (uniforms.steps - 1) * ${bk};`;
  const fetchNext = `k0 = min(k0 + ${bk}, lastK); ${fetch}`;
  const loop = tile.ahead
    ? `${last}
      ${fetch}
      for (var step = 0; step < uniforms.steps; step = step + 1) {
        ${store('0')}
        workgroupBarrier();
        ${fetchNext}
        ${compute('0')}
        workgroupBarrier();
      }`
    : stages === 1
      ? `for (var step = 0; step < uniforms.steps; step = step + 1) {
          ${fetch}
          workgroupBarrier();
          ${store('0')}
          workgroupBarrier();
          ${compute('0')}
          k0 = k0 + ${bk};
        }`
      : `${last}
        ${fetch}
        ${store('0')}
        workgroupBarrier();
        var half = 0;
        for (var step = 0; step < uniforms.steps; step = step + 1) {
          ${fetchNext}
          ${compute('half')}
          half = 1 - half;
          ${store('half')}
          workgroupBarrier();
        }`;
  return {
    arrays: [
      { name: 'tileA', type: `vec4<${units.half}>` },
      { name: 'tileB', type: `vec4<${units.half}>` },
    ],
    declarations: `
      var<workgroup> tileA : array<vec4<${units.half}>, ${(sizeA * stages) / 4}>;
      var<workgroup> tileB : array<vec4<${units.half}>, ${(sizeB * stages) / 4}>;`,
    setup: `${a.setup}
      ${b.setup}`,
    loop,
  };
}
