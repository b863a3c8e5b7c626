import { UserError } from '../../user-error';

/** A tensor as ONNX Runtime takes and gives it: NCHW. */
export type OnnxTensor = { readonly data: Float32Array | BigInt64Array; readonly shape: readonly number[] };

/** Values of a model's outputs by name. */
export type OnnxOutputs = ReadonlyMap<string, { readonly data: Float32Array; readonly shape: readonly number[] }>;

/**
 * Runs a model in ONNX Runtime on the CPU.
 * @param file the model's bytes.
 * @returns undefined where `onnxruntime-node`, which is optional, is not installed.
 * @throws {UserError} with what ONNX Runtime says of a model that it cannot run.
 */
export async function runOnnx(
  file: Uint8Array,
  inputs: Readonly<Record<string, OnnxTensor>>,
): Promise<OnnxOutputs | undefined> {
  const runtime = await import('onnxruntime-node').catch(() => undefined);
  if (runtime === undefined) return undefined;
  const { InferenceSession, Tensor } = runtime.default ?? runtime;
  try {
    const session = await InferenceSession.create(file);
    try {
      const feeds = Object.fromEntries(
        Object.entries(inputs).map(([name, { data, shape }]) => [
          name,
          data instanceof Float32Array ? new Tensor('float32', data, shape) : new Tensor('int64', data, shape),
        ]),
      );
      const results = Object.entries(await session.run(feeds));
      return new Map(results.map(([name, { data, dims }]) => [name, { data: data as Float32Array, shape: dims }]));
    } finally {
      await session.release();
    }
  } catch (error) {
    throw new UserError(`export: ONNX Runtime does not run the model: ${(error as Error).message}`);
  }
}
