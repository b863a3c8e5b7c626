import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { allowEnables } from './enables';
import { epilogueKey } from './epilogue';
import { float32Shader } from './float32-shader';
import type { Gemm } from './gemm';
import { haloFilterTerms } from './halo-filter';
import { mixedShader, storesFragments } from './mixed-shader';
import { isVector, operandKey } from './operands';
import { packUniforms } from './pack-uniforms';
import type { ShaderText } from './shader-text';
import { sumParts } from './sum-parts';
import { depthOf, type Tile, threadsOf, tileKey } from './tile';

type Program = Parameters<WebGPUBackend['runWebGPUProgram']>[0];

/** How a product is run: its tile, and into how many parts the sum over K is cut, each summed by other workgroups. */
export type Plan = {
  readonly tile: Tile;
  readonly parts: number;
  /** `[PARTS, 2]`: the largest magnitudes of parts of A and B; scales the operands of a mixed product. */
  readonly magnitudes?: TensorInfo;
};

/** Tiles of rows that follow one another before the next column: they find B in the cache. */
const BAND = 8;

/** WGSL: which part of which product a workgroup computes. */
const prologue = (tile: Tile) => `
  let tiles = uniforms.tilesM * uniforms.tilesN;
  let matrix = group / tiles;
  let inMatrix = group - matrix * tiles;
  let batch = matrix % uniforms.batches;
  let part = matrix / uniforms.batches;
  let band = inMatrix / (${BAND} * uniforms.tilesN);
  let inBand = inMatrix - band * ${BAND} * uniforms.tilesN;
  let bandRows = min(${BAND}, uniforms.tilesM - band * ${BAND});
  // Workgroups beyond the last, which tfjs adds to make a rectangle of them, stand below the last row.
  let tileM = select(0x1000000, (band * ${BAND} + inBand % bandRows) * ${tile.bm}, part < uniforms.parts);
  let tileN = (inBand / bandRows) * ${tile.bn};
  let aBase = batch * uniforms.leftStride;
  let bBase = batch * uniforms.rightStride;
  outBase = matrix * uniforms.m * uniforms.n;
  var k0 = part * uniforms.steps * ${tile.bk};
  let kEnd = min(uniforms.k, k0 + uniforms.steps * ${tile.bk});
`;

/** Runs a product of matrices. The sums of its parts are added in a fixed order. @returns owned by the caller. */
export function runGemm(backend: WebGPUBackend, gemm: Gemm, { tile, parts: wanted, magnitudes }: Plan): TensorInfo {
  const { left, right, m, n, k, batches, outShape } = gemm;
  const depth = depthOf(tile);
  const terms = tile.kind === 'mixed' && tile.halo === 'filter' ? haloFilterTerms(gemm) : k;
  const steps = Math.ceil(Math.ceil(terms / depth) / wanted);
  const parts = Math.ceil(terms / (steps * depth));
  const inner: Gemm = parts === 1 ? gemm : { ...gemm, epilogue: {} };
  const { bias, residual } = inner.epilogue ?? {};
  const [vectorA, vectorB] = [isVector(left, gemm), isVector(right, gemm)];
  const [tilesM, tilesN] = [Math.ceil(m / tile.bm), Math.ceil(n / tile.bn)];
  const groups = tilesM * tilesN * batches * parts;
  const isRectangle = groups > backend.device.limits.maxComputeWorkgroupsPerDimension;
  const edges = { m: m % tile.bm !== 0 || isRectangle, n: n % tile.bn !== 0, k: steps * parts * depth !== terms };
  const scaled = magnitudes !== undefined;
  const fragments = tile.kind === 'mixed' && storesFragments(tile, inner.epilogue ?? {}, { edges, scaled });
  const vectorOut = n % 4 === 0 && !fragments;
  // Written only where the pipeline is not yet known.
  const write = (): ShaderText =>
    tile.kind === 'float32'
      ? float32Shader(inner, tile, { vectorA, vectorB, vectorOut, edges })
      : mixedShader(inner, tile, { vectorA, vectorB, vectorOut, scaled, edges });
  const threads = threadsOf(tile);
  const inputs: Record<string, TensorInfo> = { a: left.tensor, b: right.tensor };
  if (bias) inputs.bias = bias;
  if (residual) inputs.residual = residual;
  if (magnitudes) inputs.magnitudes = magnitudes;
  const components = { a: vectorA ? 4 : 1, b: vectorB ? 4 : 1, bias: 1, residual: 1, magnitudes: 4 } as const;
  const gather = left.gather;
  const numbers: Record<string, number> = {
    m,
    n,
    k,
    tilesM,
    tilesN,
    batches,
    parts,
    steps,
    leftStride: left.batchStride,
    rightStride: right.batchStride,
    rightChannels: right.channels,
    ...(gather && {
      srcH: gather.height,
      srcW: gather.width,
      srcC: gather.channels,
      gridH: gather.gridHeight,
      gridW: gather.gridWidth,
      mulY: gather.mulY,
      mulX: gather.mulX,
      addY: gather.addY,
      addX: gather.addX,
      stepY: gather.stepY,
      stepX: gather.stepX,
    }),
  };
  const packed = packUniforms(numbers);
  const shape = parts === 1 ? [...outShape] : [parts * batches * m * n];
  const program: Program = {
    variableNames: Object.keys(inputs),
    variableComponents: Object.keys(inputs).map((name) => components[name as keyof typeof components]),
    outputComponent: vectorOut ? 4 : 1,
    outputShape: shape,
    workgroupSize: [threads, 1, 1],
    dispatchLayout: { x: shape.map((_, axis) => axis) },
    dispatch: [groups, 1, 1],
    uniforms: packed.declaration,
    shaderKey: [
      `sd_gemm_${tileKey(tile)}`,
      operandKey(left, vectorA),
      ...(tile.kind === 'mixed' && tile.halo !== 'none' ? [gather?.width, gather?.stepY] : []),
      operandKey(right, vectorB),
      epilogueKey(inner.epilogue),
      `${[vectorOut, edges.m, edges.n, edges.k, scaled].map(Number).join('')}`,
    ].join('_'),
    getUserCode: () => {
      const { declarations, code } = write();
      return packed.inCode(`
        ${declarations}
        fn main(index : i32) {
          let group = index / ${threads};
          let lane = i32(localIndex);
          ${prologue(tile)}
          ${code}
        }`);
    },
  };
  if (tile.kind === 'mixed') allowEnables(backend.device);
  const flat = (info: TensorInfo): TensorInfo => ({
    dataId: info.dataId,
    dtype: info.dtype,
    shape: [util.sizeFromShape(info.shape)],
  });
  const sums = backend.runWebGPUProgram(program, Object.values(inputs).map(flat), 'float32', packed.values);
  if (parts === 1) return sums;
  const total = sumParts(backend, sums, { parts, n, outShape, ...(gemm.epilogue && { epilogue: gemm.epilogue }) });
  backend.disposeData(sums.dataId);
  return total;
}
