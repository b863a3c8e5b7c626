import { epilogueKey, finishCode } from './epilogue';
import type { Gemm } from './gemm';
import { PARTS } from './magnitudes';
import { matrixUnits } from './matrix-units';
import { allOf, leftLoader, rightLoader } from './operands';
import type { ShaderOptions, ShaderText } from './shader-text';
import { FRAGMENT, type MixedTile, ROW_PAD, SUBGROUP, threadsOf } from './tile';

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/**
 * WGSL of the product on matrix units: operands are float32 in memory, rounded to f16 on their way into the workgroup's
 * memory, and summed in float32. With `scaled`, both operands are first multiplied by powers of two that bring their
 * largest values near f16's largest, and the sums divided again: gradients are often smaller than f16 can hold.
 */
export function mixedShader(
  { left, right, epilogue }: Gemm,
  tile: MixedTile,
  { vectorA, vectorB, edges, scaled }: ShaderOptions & { readonly scaled: boolean },
): ShaderText {
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
  const subgroups = threads / SUBGROUP;
  // Whole tiles go from the units to memory: their sums may begin with a bias, and be scaled by one factor.
  const isBiasOnly = epilogueKey(epilogue) === 'blinear' && !scaled;
  const whole = !edges.m && !edges.n && (isBiasOnly || epilogueKey(epilogue) === 'linear');

  const needsScratch = !whole || isBiasOnly;

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

  const biasOf = (j: number) =>
    units.load({
      side: 'result',
      array: 'scratch',
      at: `u32(ownN + ${j * FRAGMENT})`,
      stride: bn,
      order: 'row_major',
    });

  const write = whole
    ? range(rows)
        .map((i) =>
          range(columns)
            .map((j) => {
              const at = `outBase + (tileM + ownM + ${i * FRAGMENT}) * uniforms.n + tileN + ownN + ${j * FRAGMENT}`;
              const sum = scaled ? units.scale(`acc${i}_${j}`, 'unscale') : `acc${i}_${j}`;
              return units.store('result', `u32(${at})`, sum, 'u32(uniforms.n)');
            })
            .join('\n'),
        )
        .join('\n')
    : range(rows)
        .map(
          (i) => `
          workgroupBarrier();
          ${range(columns)
            .map((j) =>
              units.store('scratch', `u32(subgroup * ${FRAGMENT * sn} + ${j * FRAGMENT})`, `acc${i}_${j}`, `${sn}u`),
            )
            .join('\n')}
          workgroupBarrier();
          for (var e = subgroupLane; e < ${FRAGMENT * sn}; e = e + ${SUBGROUP}) {
            let m = tileM + ownM + ${i * FRAGMENT} + e / ${sn};
            let n = tileN + ownN + e % ${sn};
            if (${allOf(edges.m && 'm < uniforms.m', edges.n && 'n < uniforms.n')}) {
              let at = outBase + m * uniforms.n + n;
              result[at] = finish(scratch[subgroup * ${FRAGMENT * sn} + e]${scaled ? ' * unscale' : ''}, n, at);
            }
          }`,
        )
        .join('\n');

  const declarations = `
    ${units.declarations(threads, [
      { name: 'tileA', type: `vec4<${units.half}>` },
      { name: 'tileB', type: `vec4<${units.half}>` },
      ...(whole ? [{ name: 'result', type: 'f32' }] : []),
      ...(needsScratch ? [{ name: 'scratch', type: 'f32' }] : []),
    ])}
    var<workgroup> tileA : array<vec4<${units.half}>, ${(sizeA * stages) / 4}>;
    var<workgroup> tileB : array<vec4<${units.half}>, ${(sizeB * stages) / 4}>;
    ${needsScratch ? `var<workgroup> scratch : array<f32, ${subgroups * FRAGMENT * sn}>;` : ''}
    var<private> outBase : i32;
    ${finishCode(epilogue)}
    ${
      scaled
        ? `fn scaleFor(largest : f32) -> f32 {
            // 2^(14 - exponent): the largest value becomes one of [2^14, 2^15)
            let exponent = i32((bitcast<u32>(largest) >> 23u) & 255u) - 127;
            return select(exp2(f32(clamp(14 - exponent, -60, 60))), 1.0, largest == 0.0);
          }`
        : ''
    }`;
  const fetch = `${a.fetch} ${b.fetch}`;
  const loop = tile.ahead
    ? `${fetch}
      for (var step = 0; step < uniforms.steps; step = step + 1) {
        ${store('0')}
        workgroupBarrier();
        k0 = k0 + ${bk};
        // Nothing is read beyond the last step.
        if (step + 1 < uniforms.steps) { ${fetch} }
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
      : `${fetch}
        ${store('0')}
        workgroupBarrier();
        var half = 0;
        for (var step = 0; step < uniforms.steps; step = step + 1) {
          k0 = k0 + ${bk};
          // Nothing is read beyond the last step.
          if (step + 1 < uniforms.steps) { ${fetch} }
          ${compute('half')}
          half = 1 - half;
          ${store('half')}
          workgroupBarrier();
        }`;
  const code = `
    let subgroup = lane / ${SUBGROUP};
    let subgroupLane = lane % ${SUBGROUP};
    let ownM = (subgroup / ${bn / sn}) * ${sm};
    let ownN = (subgroup % ${bn / sn}) * ${sn};
    ${
      scaled
        ? `var peaks = vec2<f32>();
          for (var i = subgroupLane; i < ${PARTS / 2}; i = i + ${SUBGROUP}) {
            let two = magnitudes[i];
            peaks = max(peaks, max(two.xy, two.zw));
          }
          let scales = vec2<f32>(scaleFor(${units.largest('peaks.x')}), scaleFor(${units.largest('peaks.y')}));
          let unscale = 1.0 / (scales.x * scales.y);`
        : ''
    }
    ${a.setup}
    ${b.setup}
    ${
      whole && isBiasOnly
        ? `for (var e = lane; e < ${FRAGMENT * bn}; e = e + ${threads}) { scratch[e] = bias[tileN + e % ${bn}]; }
          workgroupBarrier();`
        : ''
    }
    ${range(rows)
      .map((i) =>
        range(columns)
          .map((j) => `var acc${i}_${j} = ${whole && isBiasOnly ? biasOf(j) : `${units.type('result')}()`};`)
          .join('\n'),
      )
      .join('\n')}
    ${loop}
    ${write}`;
  return { declarations, code };
}
