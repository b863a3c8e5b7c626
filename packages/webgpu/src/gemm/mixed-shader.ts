import { epilogueKey, finishCode, putCode } from './epilogue';
import type { Epilogue, Gemm } from './gemm';
import { haloSum } from './halo';
import { haloFilterSum } from './halo-filter';
import { PARTS } from './magnitudes';
import { matrixUnits } from './matrix-units';
import type { SumOptions } from './mixed-sum';
import { allOf } from './operands';
import type { ShaderText } from './shader-text';
import { FRAGMENT, MANY_THREADS, type MixedTile, SUBGROUP, scratchOf, threadsOf } from './tile';
import { tiledSum } from './tiled-sum';

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

const SUMS = { none: tiledSum, image: haloSum, filter: haloFilterSum } as const;

/**
 * Whether a tile's fragments go from the units to the result: in whole tiles, whose sums may begin with a bias, or be scaled
 * by one factor. Workgroups of many threads are quicker through their own memory (docs/webgpu.md), those of few are slower.
 */
export function storesFragments(
  tile: MixedTile,
  epilogue: Epilogue,
  { edges, scaled }: Pick<SumOptions, 'edges' | 'scaled'>,
) {
  const finish = epilogueKey(epilogue);
  const isWhole = !edges.m && !edges.n && (finish === 'linear' || (finish === 'blinear' && !scaled));
  return isWhole && threadsOf(tile) < MANY_THREADS;
}

/**
 * WGSL of the product on matrix units: operands are float32 in memory, rounded to f16 on their way into the workgroup's
 * memory, and summed in float32. With `scaled`, both operands are first multiplied by powers of two that bring their
 * largest values near f16's largest, and the sums divided again: gradients are often smaller than f16 can hold.
 */
export function mixedShader(gemm: Gemm, tile: MixedTile, options: SumOptions): ShaderText {
  const { epilogue = {} } = gemm;
  const { edges, scaled, vectorOut } = options;
  const units = matrixUnits.current;
  const { bn, sm, sn } = tile;
  const threads = threadsOf(tile);
  const sum = SUMS[tile.halo](gemm, tile, options);
  const rowOf = sum.rowOf ?? ((i: number) => `tileM + ownM + ${i * FRAGMENT}`);
  const [rows, columns] = [sm / FRAGMENT, sn / FRAGMENT];
  const direct = storesFragments(tile, epilogue, options);
  const beginsWithBias = direct && epilogue.bias !== undefined;
  const needsScratch = !direct || beginsWithBias;
  const scratch = scratchOf(tile);
  const ofSubgroup = FRAGMENT * scratch.width;

  /** Lanes write what lies in the scratch memory: whole lines of the result, where units would write eight bytes of each. */
  const put = (i: number, column: number) => {
    const { columns, width } = scratch;
    const step = vectorOut ? 4 : 1;
    const perRow = columns / step;
    const sum = `scratch[source / 4]${vectorOut ? '' : '[source % 4]'}${scaled ? ' * unscale' : ''}`;
    return `
      for (var e = subgroupLane; e < ${FRAGMENT * perRow}; e = e + ${SUBGROUP}) {
        let m = ${rowOf(i)} + e / ${perRow};
        let n = tileN + ownN + ${column} + e % ${perRow} * ${step};
        let source = subgroup * ${ofSubgroup} + e / ${perRow} * ${width} + e % ${perRow} * ${step};
        if (${allOf(edges.m && 'm < uniforms.m', edges.n && 'n < uniforms.n')}) {
          ${vectorOut ? 'put4' : 'put'}(m, n, ${sum});
        }
      }`;
  };
  const storeFragments = () =>
    range(rows)
      .flatMap((i) => range(columns).map((j) => [i, j] as const))
      .map(([i, j]) => {
        const at = `outBase + (${rowOf(i)}) * uniforms.n + tileN + ownN + ${j * FRAGMENT}`;
        const sum = scaled ? units.scale(`acc${i}_${j}`, 'unscale') : `acc${i}_${j}`;
        return units.store({ array: 'result', at: `u32(${at})`, matrix: sum, stride: 'u32(uniforms.n)' });
      })
      .join('\n');
  const biasOf = (j: number) =>
    units.load({
      side: 'result',
      array: 'scratch',
      lanes: 4,
      at: `u32(ownN + ${j * FRAGMENT})`,
      stride: bn,
      order: 'row_major',
    });
  const write = () =>
    range(rows)
      .flatMap((i) => range(sn / scratch.columns).map((j) => [i, j * scratch.columns] as const))
      .map(([i, column], chunk) => {
        const fragments = range(scratch.columns / FRAGMENT).map((c) =>
          units.store({
            array: 'scratch',
            lanes: 4,
            at: `u32(subgroup * ${ofSubgroup} + ${c * FRAGMENT})`,
            matrix: `acc${i}_${column / FRAGMENT + c}`,
            stride: `${scratch.width}u`,
          }),
        );
        return `
        ${chunk > 0 ? 'workgroupBarrier();' : ''}
        ${fragments.join('\n')}
        workgroupBarrier();
        ${put(i, column)}`;
      })
      .join('\n');

  const declarations = `
    ${units.declarations(threads, [
      ...sum.arrays,
      ...(direct ? [{ name: 'result', type: 'f32' }] : []),
      ...(needsScratch ? [{ name: 'scratch', type: 'vec4<f32>' }] : []),
    ])}
    ${sum.declarations}
    ${needsScratch ? `var<workgroup> scratch : array<vec4<f32>, ${scratch.size / 4}>;` : ''}
    var<private> outBase : i32;
    ${finishCode(epilogue)}
    ${direct ? '' : putCode(vectorOut)}
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
      beginsWithBias
        ? `for (var e = lane; e < ${(FRAGMENT * bn) / 4}; e = e + ${threads}) {
            let n = tileN + 4 * e % ${bn};
            scratch[e] = vec4<f32>(${range(4)
              .map((c) => `bias[n + ${c}]`)
              .join(', ')});
          }
          workgroupBarrier();`
        : ''
    }
    ${range(rows)
      .map((i) =>
        range(columns)
          .map((j) => `var acc${i}_${j} = ${beginsWithBias ? biasOf(j) : `${units.type('result')}()`};`)
          .join('\n'),
      )
      .join('\n')}
    ${sum.loop}
    ${direct ? storeFragments() : write()}`;
  return { declarations, code };
}
