import { epilogueKey, finishCode } from './epilogue';
import type { Gemm } from './gemm';
import { haloSum } from './halo';
import { haloFilterSum } from './halo-filter';
import { PARTS } from './magnitudes';
import { matrixUnits } from './matrix-units';
import type { SumOptions } from './mixed-sum';
import { allOf } from './operands';
import type { ShaderText } from './shader-text';
import { FRAGMENT, type MixedTile, SUBGROUP, scratchOf, threadsOf } from './tile';
import { tiledSum } from './tiled-sum';

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

const SUMS = { none: tiledSum, image: haloSum, filter: haloFilterSum } as const;

/**
 * WGSL of the product on matrix units: operands are float32 in memory, rounded to f16 on their way into the workgroup's
 * memory, and summed in float32. With `scaled`, both operands are first multiplied by powers of two that bring their
 * largest values near f16's largest, and the sums divided again: gradients are often smaller than f16 can hold.
 */
export function mixedShader(gemm: Gemm, tile: MixedTile, options: SumOptions): ShaderText {
  const { epilogue } = gemm;
  const { edges, scaled } = options;
  const units = matrixUnits.current;
  const { bn, sm, sn } = tile;
  const threads = threadsOf(tile);
  const sum = SUMS[tile.halo](gemm, tile, options);
  const rowOf = sum.rowOf ?? ((i: number) => `tileM + ownM + ${i * FRAGMENT}`);
  const [rows, columns] = [sm / FRAGMENT, sn / FRAGMENT];
  // Whole tiles go from the units to memory: their sums may begin with a bias, and be scaled by one factor.
  const isBiasOnly = epilogueKey(epilogue) === 'blinear' && !scaled;
  const whole = !edges.m && !edges.n && (isBiasOnly || epilogueKey(epilogue) === 'linear');
  const needsScratch = !whole || isBiasOnly;
  const scratch = scratchOf(tile);

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
              const at = `outBase + (${rowOf(i)}) * uniforms.n + tileN + ownN + ${j * FRAGMENT}`;
              const sum = scaled ? units.scale(`acc${i}_${j}`, 'unscale') : `acc${i}_${j}`;
              return units.store('result', `u32(${at})`, sum, 'u32(uniforms.n)');
            })
            .join('\n'),
        )
        .join('\n')
    : range(rows)
        .flatMap((i) => range(sn / scratch.columns).map((j) => [i, j] as const))
        .map(([i, j]) => {
          const ofSubgroup = FRAGMENT * scratch.columns;
          const fragments = range(scratch.columns / FRAGMENT).map((c) =>
            units.store(
              'scratch',
              `u32(subgroup * ${ofSubgroup} + ${c * FRAGMENT})`,
              `acc${i}_${(j * scratch.columns) / FRAGMENT + c}`,
              `${scratch.columns}u`,
            ),
          );
          return `
          workgroupBarrier();
          ${fragments.join('\n')}
          workgroupBarrier();
          for (var e = subgroupLane; e < ${ofSubgroup}; e = e + ${SUBGROUP}) {
            let m = ${rowOf(i)} + e / ${scratch.columns};
            let n = tileN + ownN + ${j * scratch.columns} + e % ${scratch.columns};
            if (${allOf(edges.m && 'm < uniforms.m', edges.n && 'n < uniforms.n')}) {
              let at = outBase + m * uniforms.n + n;
              result[at] = finish(scratch[subgroup * ${ofSubgroup} + e]${scaled ? ' * unscale' : ''}, n, at);
            }
          }`;
        })
        .join('\n');

  const declarations = `
    ${units.declarations(threads, [
      ...sum.arrays,
      ...(whole ? [{ name: 'result', type: 'f32' }] : []),
      ...(needsScratch ? [{ name: 'scratch', type: 'f32' }] : []),
    ])}
    ${sum.declarations}
    ${needsScratch ? `var<workgroup> scratch : array<f32, ${scratch.size}>;` : ''}
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
    ${sum.setup}
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
    ${sum.loop}
    ${write}`;
  return { declarations, code };
}
