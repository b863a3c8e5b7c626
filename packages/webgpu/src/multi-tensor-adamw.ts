import { MULTI_TENSOR_ADAMW_KERNEL, type MultiTensorAdamWAttributes } from '@sd/nn/optim';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { CommandBatch, ENTRY_PARAMETERS, GROUP_NUMBER, sizeOf, type Word } from './command-batch';
import type { WebGPUKernel } from './program';

const WORKGROUP = 256;
/** Values that a workgroup takes. */
const BLOCK = 1024;

/** A tensor of a chunk, and where it begins in the chunk. */
type Part = { readonly tensor: TensorInfo; readonly buffer: GPUBuffer; readonly offset: number; readonly size: number };

/** Parts that one command binds: a table of where each begins among the workgroups and in the chunk. */
type Group = { readonly parts: readonly Part[]; readonly table: readonly Word[]; readonly workgroups: number };

function groupsOf(parts: readonly Part[], most: number): Group[] {
  const groups: Group[] = [];
  for (let first = 0; first < parts.length; first += most) {
    const own = parts.slice(first, first + most);
    let workgroups = 0;
    const table = own.flatMap(({ offset, size }): Word[] => {
      const row = [workgroups, offset, size, 0];
      workgroups += Math.ceil(size / BLOCK);
      return row;
    });
    groups.push({ parts: own, table, workgroups });
  }
  return groups;
}

/** WGSL: declarations of `count` tensors from a binding on, and a chain that runs `code` with the part's name for `T`. */
function tensors(count: number, firstBinding: number, access: 'read' | 'read_write', code: string) {
  const indices = Array.from({ length: count }, (_, i) => i);
  const declarations = indices
    .map((i) => `@group(0) @binding(${firstBinding + i}) var<storage, ${access}> t${i} : array<f32>;`)
    .join('\n');
  const branches = indices.map((i) => {
    const body = `
      let part = words[${i}];
      for (var j = lane; j < ${BLOCK}u; j = j + ${WORKGROUP}u) {
        let k = (group - part.x) * ${BLOCK}u + j;
        if (k < part.z) { ${code.replaceAll('T[', `t${i}[`)} }
      }`;
    return i === count - 1 ? `{ ${body} }` : `if (group < words[${i + 1}].x) { ${body} }`;
  });
  return { declarations, chain: branches.join(' else ') };
}

/** WGSL: the sum of `value` over the workgroup, as `sums[0]`. */
const SUM = `
  sums[lane] = value;
  workgroupBarrier();
  for (var half = ${WORKGROUP / 2}u; half > 0u; half = half / 2u) {
    if (lane < half) { sums[lane] = sums[lane] + sums[lane + half]; }
    workgroupBarrier();
  }`;

/** Copies `count` gradients into the chunk's memory; each workgroup leaves the sum of its squares. */
const gather = (count: number) => {
  const { declarations, chain } = tensors(
    count,
    3,
    'read',
    'let g = T[k]; gradients[part.y + k] = g; value = value + g * g;',
  );
  return `
    @group(0) @binding(0) var<uniform> words : array<vec4<u32>, ${count + 1}>;
    @group(0) @binding(1) var<storage, read_write> gradients : array<f32>;
    @group(0) @binding(2) var<storage, read_write> squares : array<f32>;
    ${declarations}
    var<workgroup> sums : array<f32, ${WORKGROUP}>;
    @compute @workgroup_size(${WORKGROUP})
    fn main(${ENTRY_PARAMETERS}) {
      let group = ${GROUP_NUMBER};
      if (group >= words[${count}].x) { return; }
      var value = 0.0;
      ${chain}
      ${SUM}
      if (lane == 0u) { squares[words[${count}].y + group] = sums[0]; }
    }`;
};

/** Norm and clipping factor of the sums of squares. */
const NORM = `
  struct Words { count : u32, maxNorm : f32, unused : vec2<u32> }
  @group(0) @binding(0) var<uniform> words : Words;
  @group(0) @binding(1) var<storage, read> squares : array<f32>;
  @group(0) @binding(2) var<storage, read_write> norm : array<f32>;
  @group(0) @binding(3) var<storage, read_write> factor : array<f32>;
  var<workgroup> sums : array<f32, ${WORKGROUP}>;
  @compute @workgroup_size(${WORKGROUP})
  fn main(${ENTRY_PARAMETERS}) {
    if (${GROUP_NUMBER} > 0u) { return; }
    var value = 0.0;
    for (var i = lane; i < words.count; i = i + ${WORKGROUP}u) { value = value + squares[i]; }
    ${SUM}
    if (lane == 0u) {
      let length = sqrt(sums[0]);
      norm[0] = length;
      factor[0] = min(words.maxNorm / (length + 1e-6), 1.0);
    }
  }`;

/** Moments of a whole chunk; the gradients become the change of the parameters. */
const MOMENTS = `
  struct Words {
    size : u32, beta1 : f32, rest1 : f32, beta2 : f32, rest2 : f32, stepSize : f32, denominatorScale : f32, eps : f32,
  }
  @group(0) @binding(0) var<uniform> words : Words;
  @group(0) @binding(1) var<storage, read_write> gradients : array<f32>;
  @group(0) @binding(2) var<storage, read_write> expAvg : array<f32>;
  @group(0) @binding(3) var<storage, read_write> expAvgSq : array<f32>;
  @group(0) @binding(4) var<storage, read> factor : array<f32>;
  @compute @workgroup_size(${WORKGROUP})
  fn main(${ENTRY_PARAMETERS}) {
    let i = (${GROUP_NUMBER}) * ${WORKGROUP}u + lane;
    if (i >= words.size) { return; }
    let g = gradients[i] * factor[0];
    let m = words.beta1 * expAvg[i] + words.rest1 * g;
    let v = words.beta2 * expAvgSq[i] + words.rest2 * (g * g);
    expAvg[i] = m;
    expAvgSq[i] = v;
    gradients[i] = words.stepSize * (m / (sqrt(v) * words.denominatorScale + words.eps));
  }`;

/** Changes `count` parameters, and moves their averages towards them. */
const apply = (count: number, averaged: boolean) => {
  const average = 'average[o] = average[o] - rate * (average[o] - p);';
  const { declarations, chain } = tensors(
    count,
    averaged ? 3 : 2,
    'read_write',
    `let o = part.y + k; let p = decay * T[k] - change[o]; T[k] = p; ${averaged ? average : ''}`,
  );
  return `
    @group(0) @binding(0) var<uniform> words : array<vec4<u32>, ${count + 1}>;
    @group(0) @binding(1) var<storage, read> change : array<f32>;
    ${averaged ? '@group(0) @binding(2) var<storage, read_write> average : array<f32>;' : ''}
    ${declarations}
    @compute @workgroup_size(${WORKGROUP})
    fn main(${ENTRY_PARAMETERS}) {
      let group = ${GROUP_NUMBER};
      if (group >= words[${count}].x) { return; }
      let decay = bitcast<f32>(words[${count}].y);
      ${averaged ? `let rate = bitcast<f32>(words[${count}].z);` : ''}
      ${chain}
    }`;
};

/**
 * AdamW of all parameters with clipping and moving average (see @sd/nn). A GPU binds 8 or 10 buffers at a time, so that
 * a dispatch that updated tensors with their gradients and moments would take one or two of them. Instead gradients are
 * gathered into flat memory, all but two of the bindings at a time, with their sums of squares on the way; one dispatch
 * finishes the norm, one a chunk the moments, which lie flat always; and the change goes to as many parameters at a time,
 * in place. For n tensors and b bindings that is about 2 n / (b - 2) + 2 dispatches. The sums have a fixed order: the
 * same gradients give the same bits.
 */
export const multiTensorAdamW: WebGPUKernel = {
  kernelName: MULTI_TENSOR_ADAMW_KERNEL,
  run: ({ inputs, attrs, backend }) => {
    const attributes = attrs as MultiTensorAdamWAttributes;
    const { counts, stepSizes, denominatorScales, decay, beta1, beta2, eps, averageRate, maxNorm } = attributes;
    const batch = new CommandBatch(backend);
    const most = batch.maxBuffers - 2;
    const input = (name: string) => inputs[name] as TensorInfo;

    let first = 0;
    const chunks = counts.map((count, c) => {
      const from = first;
      first += count;
      let size = 0;
      const parts = Array.from({ length: count }, (_, i) => {
        const gradient = input(`gradient.${from + i}`);
        const part = { offset: size, size: sizeOf(gradient) };
        size += part.size;
        return {
          gradient: { ...part, tensor: gradient, buffer: batch.read(gradient) },
          parameter: { ...part, ...batch.overwrite(input(`parameter.${from + i}`)) },
        };
      });
      return {
        size,
        gradients: groupsOf(
          parts.map(({ gradient }) => gradient),
          most,
        ),
        parameters: groupsOf(
          parts.map(({ parameter }) => parameter),
          most,
        ),
        outputs: parts.map(({ parameter }) => parameter.tensor),
        change: batch.scratch(size),
        expAvg: batch.overwrite(input(`expAvg.${c}`)),
        expAvgSq: batch.overwrite(input(`expAvgSq.${c}`)),
        average: inputs[`average.${c}`] && batch.overwrite(input(`average.${c}`)),
      };
    });

    const blocks = chunks.flatMap(({ gradients }) => gradients).reduce((sum, { workgroups }) => sum + workgroups, 0);
    const squares = batch.scratch(blocks);
    let block = 0;
    for (const { gradients, change } of chunks) {
      for (const { parts, table, workgroups } of gradients) {
        batch.add({
          key: `adamw_gather_${parts.length}`,
          code: () => gather(parts.length),
          buffers: [change, squares, ...parts.map(({ buffer }) => buffer)],
          words: [...table, workgroups, block],
          workgroups,
        });
        block += workgroups;
      }
    }
    const norm = maxNorm > 0 ? batch.create([]) : undefined;
    const factor = norm ? batch.scratch(1) : batch.read(input('gradientScale'));
    if (norm) {
      const buffers = [squares, norm.buffer, factor];
      batch.add({ key: 'adamw_norm', code: () => NORM, buffers, words: [blocks, { f32: maxNorm }], workgroups: 1 });
    }
    for (const [c, { size, change, expAvg, expAvgSq, average, parameters }] of chunks.entries()) {
      const numbers = [beta1, 1 - beta1, beta2, 1 - beta2, stepSizes[c], denominatorScales[c], eps];
      batch.add({
        key: 'adamw_moments',
        code: () => MOMENTS,
        buffers: [change, expAvg.buffer, expAvgSq.buffer, factor],
        words: [size, ...numbers.map((number) => ({ f32: number as number }))],
        workgroups: Math.ceil(size / WORKGROUP),
      });
      for (const { parts, table, workgroups } of parameters) {
        batch.add({
          key: `adamw_apply_${parts.length}_${average !== undefined}`,
          code: () => apply(parts.length, average !== undefined),
          buffers: [change, ...(average ? [average.buffer] : []), ...parts.map(({ buffer }) => buffer)],
          words: [...table, workgroups, { f32: decay }, { f32: averageRate }],
          workgroups,
        });
      }
    }
    batch.submit();
    return [
      ...chunks.flatMap(({ outputs }) => outputs),
      ...chunks.flatMap(({ expAvg, expAvgSq, average }) => [
        expAvg.tensor,
        expAvgSq.tensor,
        ...(average ? [average.tensor] : []),
      ]),
      ...(norm ? [norm.tensor] : []),
    ];
  },
};
