import type { Precision } from '@sd/webgpu';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { allowEnables } from '../../packages/webgpu/src/gemm/enables';
import { FRAGMENT, SUBGROUP } from '../../packages/webgpu/src/gemm/tile';
import { f32, i32, run } from '../../packages/webgpu/src/program';
import { deviceMilliseconds, milliseconds } from './gpu-clock';

/** What this GPU can do at best, measured: the floor of a time is its operations or its bytes over these. */
export type Ceilings = {
  /** Operations a millisecond, sums in registers: nothing is read. */
  readonly flops: Readonly<Record<Precision, number>>;
  /** Bytes read and written a millisecond, by a copy. */
  readonly bytes: number;
};

const WORKGROUP = 256;
const GROUPS = 2112; // sixteen for each of an H100's 132 units
const ROUNDS = 2048;
const SUMS = 8;
/** Milliseconds until the clocks have settled. */
export const SETTLE = 500;
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** @param mixed whether the device has matrix units. */
export async function measureCeilings(
  backend: WebGPUBackend,
  { mixed, small }: { mixed: boolean; small: boolean },
): Promise<Ceilings> {
  const rounds = small ? 4 : ROUNDS;
  const groups = small ? 4 : GROUPS;
  const settle = small ? 0 : SETTLE;
  const rate = async (multiply: () => tf.TensorInfo, flops: number) =>
    flops / (await milliseconds(backend, () => backend.disposeData(multiply().dataId), small ? 1 : 100, settle));
  const float32 = await rate(
    () => multiplyNumbers(backend, rounds, groups),
    groups * WORKGROUP * rounds * SUMS * 4 * 2,
  );
  const matrices = mixed
    ? await rate(
        () => multiplyMatrices(backend, rounds, groups),
        (groups * WORKGROUP * rounds * SUMS * FRAGMENT ** 3 * 2) / SUBGROUP,
      )
    : float32;
  return { flops: { float32, mixed: matrices }, bytes: await copyRate(backend, small ? 2 ** 16 : 2 ** 28, settle) };
}

/** Every thread multiplies and adds in registers. */
const multiplyNumbers = (backend: WebGPUBackend, rounds: number, groups: number) =>
  run(backend, {
    key: 'bench_multiply_numbers',
    inputs: {},
    outputShape: [groups * WORKGROUP],
    numbers: { rounds: i32(rounds), factor: f32(0.999) },
    workgroups: groups,
    workgroupSize: WORKGROUP,
    code: `
      let factor = vec4<f32>(uniforms.factor);
      ${range(SUMS)
        .map((i) => `var sum${i} = vec4<f32>(f32(index + ${i}));`)
        .join('\n')}
      for (var round = 0; round < uniforms.rounds; round = round + 1) {
        ${range(SUMS)
          .map((i) => `sum${i} = fma(sum${i}, factor, factor);`)
          .join('\n')}
      }
      let total = ${range(SUMS)
        .map((i) => `sum${i}`)
        .join(' + ')};
      result[index] = total.x + total.y + total.z + total.w;`,
  });

/** Every subgroup multiplies matrices that it has in registers. */
function multiplyMatrices(backend: WebGPUBackend, rounds: number, groups: number) {
  allowEnables(backend.device);
  const type = (side: string, number: string) => `subgroup_matrix_${side}<${number}, ${FRAGMENT}, ${FRAGMENT}>`;
  return run(backend, {
    key: 'bench_multiply_matrices',
    inputs: {},
    outputShape: [(groups * WORKGROUP * FRAGMENT * FRAGMENT) / SUBGROUP],
    numbers: { rounds: i32(rounds), factor: f32(0.001) },
    workgroups: groups,
    workgroupSize: WORKGROUP,
    declarations: `
      //! enable f16;
      //! enable subgroups;
      //! enable chromium_experimental_subgroup_matrix;
      //! diagnostic(off, chromium.subgroup_matrix_uniformity);
      var<workgroup> numbers : array<f16, ${FRAGMENT * FRAGMENT}>;`,
    code: `
      if (lane < ${FRAGMENT * FRAGMENT}) { numbers[lane] = f16(uniforms.factor * f32(lane)); }
      workgroupBarrier();
      let x = subgroupMatrixLoad<${type('left', 'f16')}, row_major>(&numbers, 0u, ${FRAGMENT}u);
      let y = subgroupMatrixLoad<${type('right', 'f16')}, row_major>(&numbers, 0u, ${FRAGMENT}u);
      ${range(SUMS)
        .map((i) => `var sum${i} : ${type('result', 'f32')};`)
        .join('\n')}
      for (var round = 0; round < uniforms.rounds; round = round + 1) {
        ${range(SUMS)
          .map((i) => `sum${i} = subgroupMatrixMultiplyAccumulate(x, y, sum${i});`)
          .join('\n')}
      }
      let at = u32(index / ${SUBGROUP}) * ${FRAGMENT * FRAGMENT}u;
      ${range(SUMS)
        .map((i) => `subgroupMatrixStore<row_major>(&result, at, sum${i}, ${FRAGMENT}u);`)
        .join('\n')}`,
  });
}

/** By a program: a device's own copy of a buffer may go through a slower unit. */
async function copyRate(backend: WebGPUBackend, size: number, settle: number): Promise<number> {
  const values = tf.zeros([size / 4]);
  const copy = () => {
    const copied = run(backend, {
      key: 'bench_copy',
      inputs: { values },
      vectors: ['values', 'result'],
      outputShape: values.shape,
      numbers: {},
      workgroups: 'elements',
      workgroupSize: WORKGROUP,
      code: 'result[index] = values[index];',
    });
    backend.disposeData(copied.dataId);
  };
  const ms = await deviceMilliseconds(backend, copy, 100, settle);
  values.dispose();
  return (2 * size) / ms;
}

/** Bytes that the programs of `fn` read and write in all, each tensor as often as a program takes it. */
export function bytesOf(backend: WebGPUBackend, fn: () => void): number {
  const runProgram = backend.runWebGPUProgram.bind(backend);
  const size = ({ shape }: tf.TensorInfo) => 4 * tf.util.sizeFromShape(shape);
  let bytes = 0;
  backend.runWebGPUProgram = (program, inputs, ...rest) => {
    const output = runProgram(program, inputs, ...rest);
    bytes += [...inputs, output].reduce((total, each) => total + size(each), 0);
    return output;
  };
  try {
    tf.tidy(fn);
  } finally {
    delete (backend as { runWebGPUProgram?: unknown }).runWebGPUProgram;
  }
  return bytes;
}
