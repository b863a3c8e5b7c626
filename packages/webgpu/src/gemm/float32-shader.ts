import { finishCode, putCode } from './epilogue';
import type { Gemm } from './gemm';
import { allOf, leftLoader, rightLoader } from './operands';
import type { ShaderOptions, ShaderText } from './shader-text';
import type { Float32Tile } from './tile';
import { TURNED_PAD, threadsOf } from './tile';

const lanes = ['x', 'y', 'z', 'w'] as const;
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/**
 * WGSL of the product in float32: each thread holds `tm` x `tn` sums in registers, tiles of A and B pass through the
 * workgroup's memory as they lie in the operands, so that no tile of A is transposed on its way.
 */
export function float32Shader(
  { left, right, epilogue }: Gemm,
  tile: Float32Tile,
  { vectorA, vectorB, vectorOut, edges }: ShaderOptions & { readonly vectorOut: boolean },
): ShaderText {
  const { bm, bn, bk, tm, tn, stages } = tile;
  const threads = threadsOf(tile);
  const a = leftLoader(left, { extent: bm, bk, threads, vector: vectorA, edges: { extent: edges.m, k: edges.k } });
  const b = rightLoader(right, { extent: bn, bk, threads, vector: vectorB, edges: { extent: edges.n, k: edges.k } });
  const isTurned = a.alongK && tile.turned;
  /** Fours between the rows of a tile of A, of which one is a step of the sum unless A lies along it. */
  const widthA = (isTurned ? bm + TURNED_PAD : bm) / 4;
  const sizeA = isTurned ? bk * widthA : (bm * bk) / 4;
  const sizeB = (bn * bk) / 4;
  const columnsOfThreads = bn / tn;
  const rowsOfThreads = bm / tm;
  const accumulators = range(tm).flatMap((i) => range(tn / 4).map((j) => `acc${i}_${j}`));

  const store = (half: string) => `
    ${range(a.loads)
      .map((i) =>
        isTurned
          ? lanes
              .map(
                (lane, c) =>
                  `tileA[${half} * ${sizeA} + (${a.column(i)} + ${c}) * ${widthA} + ${a.row(i)} / 4][${a.row(i)} % 4] = a${i}.${lane};`,
              )
              .join('\n')
          : a.alongK
            ? `tileA[${half} * ${sizeA} + ${a.row(i)} * ${bk / 4} + ${a.column(i)} / 4] = a${i};`
            : `tileA[${half} * ${sizeA} + ${a.row(i)} * ${bm / 4} + ${a.column(i)} / 4] = a${i};`,
      )
      .join('\n')}
    ${range(b.loads)
      .map((i) =>
        b.alongK
          ? lanes
              .map(
                (lane, c) =>
                  `tileB[${half} * ${sizeB} + (${b.column(i)} + ${c}) * ${bn / 4} + ${b.row(i)} / 4][${b.row(i)} % 4] = b${i}.${lane};`,
              )
              .join('\n')
          : `tileB[${half} * ${sizeB} + ${b.row(i)} * ${bn / 4} + ${b.column(i)} / 4] = b${i};`,
      )
      .join('\n')}`;

  const readB = (k: string, half: string) =>
    range(tn / 4)
      .map((j) => `let y${j} = tileB[${half} * ${sizeB} + ${k} * ${bn / 4} + threadX + ${j * columnsOfThreads}];`)
      .join('\n');
  const multiply = (valueOfA: (i: number) => string) =>
    range(tm)
      .map((i) =>
        range(tn / 4)
          .map((j) => `acc${i}_${j} = fma(vec4<f32>(${valueOfA(i)}), y${j}, acc${i}_${j});`)
          .join(' '),
      )
      .join('\n');
  const rowOf = (i: number) => `(threadY * 4 + ${(i >> 2) * rowsOfThreads * 4 + (i % 4)})`;
  /** Steps written one after another, where a thread has enough to do to hide the longer text; else a loop. */
  const steps = (count: number, step: (k: string) => string) =>
    tm * tn >= 64
      ? range(count)
          .map((k) => `{ ${step(`${k}`)} }`)
          .join('\n')
      : `for (var k = 0; k < ${count}; k = k + 1) { ${step('k')} }`;
  const compute = (half: string) =>
    a.alongK && !isTurned
      ? steps(
          bk / 4,
          (k4) => `${range(tm)
            .map((i) => `let x${i} = tileA[${half} * ${sizeA} + ${rowOf(i)} * ${bk / 4} + ${k4}];`)
            .join('\n')}
          ${lanes.map((lane, c) => `{ ${readB(`(${k4} * 4 + ${c})`, half)} ${multiply((i) => `x${i}.${lane}`)} }`).join('\n')}`,
        )
      : steps(
          bk,
          (k) => `${range(tm / 4)
            .map((i) => `let x${i} = tileA[${half} * ${sizeA} + ${k} * ${widthA} + threadY + ${i * rowsOfThreads}];`)
            .join('\n')}
          ${readB(k, half)}
          ${multiply((i) => `x${i >> 2}.${lanes[i % 4]}`)}`,
        );

  const write = range(tm)
    .map((i) =>
      range(tn / 4)
        .map((j) => {
          const n = `tileN + (threadX + ${j * columnsOfThreads}) * 4`;
          const inside = allOf(edges.m && 'm < uniforms.m', edges.n && 'n < uniforms.n');
          return vectorOut
            ? `{ let m = tileM + ${rowOf(i)}; let n = ${n};
                ${inside === 'true' ? '' : `if (${inside})`} { put4(m, n, acc${i}_${j}); } }`
            : `{ let m = tileM + ${rowOf(i)}; let n = ${n}; if (m < uniforms.m) {
                ${lanes.map((lane, c) => `if (n + ${c} < uniforms.n) { put(m, n + ${c}, acc${i}_${j}.${lane}); }`).join('\n')} } }`;
        })
        .join('\n'),
    )
    .join('\n');

  const declarations = `
    var<workgroup> tileA : array<vec4<f32>, ${sizeA * stages}>;
    var<workgroup> tileB : array<vec4<f32>, ${sizeB * stages}>;
    var<private> outBase : i32;
    ${finishCode(epilogue)}
    ${putCode(vectorOut)}`;
  const loop =
    stages === 1
      ? `for (var step = 0; step < uniforms.steps; step = step + 1) {
          ${a.fetch} ${b.fetch}
          workgroupBarrier();
          ${store('0')}
          workgroupBarrier();
          ${compute('0')}
          k0 = k0 + ${bk};
        }`
      : `${a.fetch} ${b.fetch}
        ${store('0')}
        workgroupBarrier();
        var half = 0;
        for (var step = 0; step < uniforms.steps; step = step + 1) {
          k0 = k0 + ${bk};
          // Nothing is read beyond the last step.
          if (step + 1 < uniforms.steps) { ${a.fetch} ${b.fetch} }
          ${compute('half')}
          half = 1 - half;
          ${store('half')}
          workgroupBarrier();
        }`;
  const code = `
    let threadX = lane % ${columnsOfThreads};
    let threadY = lane / ${columnsOfThreads};
    ${a.setup}
    ${b.setup}
    ${accumulators.map((name) => `var ${name} = vec4<f32>();`).join('\n')}
    ${loop}
    ${write}`;
  return { declarations, code };
}
