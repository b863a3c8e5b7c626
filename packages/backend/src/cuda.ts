import * as tf from '@tensorflow/tfjs-core';
import { BackendError, reasonOf } from './backend-error';
import type { StartedBackend } from './backend-info';
import { importFs, importOnNode, importPath } from './node/import-on-node';
import { installedAt } from './node/installed';
import { onNode } from './runtime';

const packageName = '@tensorflow/tfjs-node-gpu';

/**
 * TensorFlow's CUDA kernels through `@tensorflow/tfjs-node-gpu`, if the user has installed it.
 * @throws BackendError where it is absent, incomplete, too old for this Node, or finds no GPU.
 */
export async function startCuda(): Promise<StartedBackend> {
  if (!onNode()) throw new BackendError('cuda', 'it exists on Node only');
  const entry = await installedAt(packageName);
  if (entry === null) throw new BackendError('cuda', `${packageName} is not installed`);
  checkNodeVersion(process.versions.node);
  if (!(await hasNativePart(entry))) {
    throw new BackendError(
      'cuda',
      `${packageName} is installed without its native part, which its install script downloads`,
    );
  }
  try {
    await importOnNode(packageName);
  } catch (error) {
    throw new BackendError('cuda', `${packageName} does not load: ${reasonOf(error)}`, { cause: error });
  }
  await tf.setBackend('tensorflow');
  const backend = tf.backend();
  if (!('isUsingGpuDevice' in backend) || backend.isUsingGpuDevice !== true) {
    throw new BackendError('cuda', `${packageName} finds no GPU (it needs CUDA 11 and cuDNN 8)`);
  }
  return { name: 'cuda', device: 'TensorFlow on a CUDA GPU', canTrain: true };
}

/** tfjs-node-gpu 4.22.0 calls `util.isNullOrUndefined`, which Node 23 removed. */
export function checkNodeVersion(version: string): void {
  if (Number(version.split('.', 1)[0]) > 22) {
    throw new BackendError('cuda', `${packageName} needs Node 22 or older, this is ${version}`);
  }
}

/** Its install script puts the binding into lib/; looking there is quicker than loading all of it to see it throw. */
async function hasNativePart(entry: string): Promise<boolean> {
  const [{ existsSync }, { dirname, join }] = [await importFs(), await importPath()];
  return existsSync(join(dirname(entry), '..', 'lib'));
}
