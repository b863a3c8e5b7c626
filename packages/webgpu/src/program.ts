import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { KernelConfig, KernelFunc, NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import { getKernel, registerKernel, unregisterKernel, util } from '@tensorflow/tfjs-core';

type Program = Parameters<WebGPUBackend['runWebGPUProgram']>[0];

/** A uniform: one number, or four. */
type Numbers =
  | { readonly type: 'f32' | 'i32'; readonly value: number }
  | { readonly type: 'vec4<i32>'; readonly value: readonly number[] };

/** One compute shader and what it runs on. Its code is the body of a function; see `run`. */
export type Shader = {
  /** Names the pipeline: programs of one key must have the same code. */
  readonly key: string;
  /** Storage arrays of float32 by name. The code must read each: WebGPU leaves out of the layout what it does not. */
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly outputShape: readonly number[];
  /** Inputs, or `result`, that the code sees as arrays of `vec4`s instead. */
  readonly vectors?: readonly string[];
  /** Numbers that the code reads as `uniforms.name`. */
  readonly numbers: Readonly<Record<string, Numbers>>;
  /** Workgroups, or `'elements'` for a thread for each value of the output, whose number is `index`. */
  readonly workgroups: number | 'elements';
  readonly workgroupSize: number;
  /** WGSL outside the function: workgroup variables and helpers. */
  readonly declarations?: string;
  /**
   * WGSL. `result` is the output; `index` the thread's number over all workgroups, `group` its workgroup's, `lane` its
   * number in it.
   */
  readonly code: string;
};

/** Runs a shader through tfjs's backend, which batches it with other commands. @returns owned by the caller. */
export function run(backend: WebGPUBackend, shader: Shader): TensorInfo {
  const {
    key,
    inputs,
    outputShape,
    vectors = [],
    numbers,
    workgroups,
    workgroupSize,
    declarations = '',
    code,
  } = shader;
  const componentsOf = (name: string) => (vectors.includes(name) ? 4 : 1);
  const isElementwise = workgroups === 'elements';
  const size = util.sizeFromShape([...outputShape]) / componentsOf('result');
  const program: Program = {
    variableNames: Object.keys(inputs),
    variableComponents: Object.keys(inputs).map(componentsOf),
    outputComponent: componentsOf('result'),
    outputShape: [...outputShape],
    workgroupSize: [workgroupSize, 1, 1],
    dispatchLayout: { x: outputShape.map((_, axis) => axis) },
    dispatch: [isElementwise ? Math.ceil(size / workgroupSize) : workgroups, 1, 1],
    size: true,
    uniforms: Object.entries(numbers)
      .map(([name, { type }]) => `${name} : ${type}, `)
      .join(''),
    shaderKey: `sd_${key}`,
    getUserCode: () => `
      ${declarations}
      fn main(index : i32) {
        let group = index / ${workgroupSize};
        let lane = i32(localIndex);
        ${isElementwise ? 'if (index < uniforms.size) {' : '{'}
        ${code}
        }
      }`,
  };
  const uniforms = Object.values(numbers).map(({ type, value }) => ({
    type: type === 'f32' ? 'float32' : 'int32',
    data: typeof value === 'number' ? [value] : [...value],
  }));
  return backend.runWebGPUProgram(program, Object.values(inputs), 'float32', uniforms);
}

export const f32 = (value: number) => ({ type: 'f32', value }) as const;
export const i32 = (value: number) => ({ type: 'i32', value }) as const;
export const i32x4 = (...value: readonly [number, number, number, number]) => ({ type: 'vec4<i32>', value }) as const;

/** What a kernel is given. */
export type KernelCall = {
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly attrs: NamedAttrMap;
  readonly backend: WebGPUBackend;
};

/** A kernel of the `webgpu` backend; null leaves the call to the kernel of tfjs. */
export type WebGPUKernel = {
  readonly kernelName: string;
  readonly run: (call: KernelCall) => TensorInfo | TensorInfo[] | null;
};

/** What this module registered, to know it again. */
const ours = new WeakSet<KernelConfig>();

/** Registers a kernel in place of tfjs's, if that has one. Once registered, nothing is done. */
export function register({ kernelName, run: runKernel }: WebGPUKernel): void {
  const stock = getKernel(kernelName, 'webgpu') as KernelConfig | undefined;
  if (stock !== undefined && ours.has(stock)) return;
  const kernelFunc: KernelFunc = (call) => {
    const result = runKernel({
      inputs: call.inputs as Record<string, TensorInfo>,
      attrs: call.attrs ?? {},
      backend: call.backend as WebGPUBackend,
    });
    if (result !== null) return result;
    if (stock === undefined) throw new Error(`${kernelName}: the webgpu backend cannot run this case`);
    return stock.kernelFunc(call);
  };
  const config: KernelConfig = { kernelName, backendName: 'webgpu', kernelFunc };
  ours.add(config);
  if (stock !== undefined) unregisterKernel(kernelName, 'webgpu');
  registerKernel(config);
}
