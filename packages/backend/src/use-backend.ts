import { ArgumentError } from '@sd/core';
import { BackendError, reasonOf } from './backend-error';
import type { BackendInfo, BackendName, BackendOptions, StartedBackend } from './backend-info';
import { startCpu } from './cpu';
import { startCuda } from './cuda';
import { hasVulkanLoader } from './node/vulkan-loader';
import { onNode } from './runtime';
import { startWasm } from './wasm';
import { threadsOf } from './wasm-threads';
import { startWebgpu } from './webgpu';

type Starter = (options: BackendOptions) => Promise<StartedBackend>;

const starters: Readonly<Record<BackendName, Starter>> = {
  webgpu: startWebgpu,
  cuda: startCuda,
  wasm: startWasm,
  cpu: startCpu,
};

/**
 * Chooses, initialises and explains a TensorFlow.js backend, and makes it the current one.
 *
 * `'auto'` takes the first that starts: on Node WebGPU (Dawn, the package `webgpu`), CUDA (`@tensorflow/tfjs-node-gpu`,
 * if installed), WebAssembly; in browsers WebGPU, WebAssembly. A software WebGPU adapter is passed over unless
 * `allowSoftware` says otherwise. `'cpu'` is used only when asked for. Gradients come with `@tensorflow/tfjs`, which
 * programs that train import themselves.
 * @throws ArgumentError for an unknown name, or a number of threads that the machine does not have.
 * @throws BackendError where the backend asked for cannot start, with the reason in one line.
 */
export async function useBackend(
  name: 'auto' | BackendName = 'auto',
  options: BackendOptions = {},
): Promise<BackendInfo> {
  if (name === 'auto' || name === 'wasm') await threadsOf(options); // before anything starts
  if (name === 'auto') return firstThatStarts(options);
  if (!Object.hasOwn(starters, name)) {
    throw new ArgumentError('useBackend', 'name', `one of auto, ${Object.keys(starters).join(', ')}`, name);
  }
  const started = await start(name, options);
  return { ...started, explanation: `${started.name} (${started.device}): as asked` };
}

async function firstThatStarts(options: BackendOptions): Promise<BackendInfo> {
  const passedOver: string[] = [];
  for (const name of onNode() ? (['webgpu', 'cuda', 'wasm'] as const) : (['webgpu', 'wasm'] as const)) {
    try {
      if (name === 'webgpu') await checkVulkanLoader();
      const started = await start(name, options);
      const why = passedOver.length === 0 ? 'the first choice' : `passed over ${passedOver.join(', ')}`;
      return { ...started, explanation: `${started.name} (${started.device}): ${why}` };
    } catch (error) {
      passedOver.push(`${name} (${reasonOf(error)})`);
    }
  }
  throw new BackendError('auto', `passed over ${passedOver.join(', ')}`);
}

async function start(name: BackendName, options: BackendOptions): Promise<StartedBackend> {
  try {
    return await starters[name](options);
  } catch (error) {
    if (error instanceof BackendError) throw error;
    throw new BackendError(name, reasonOf(error), { cause: error });
  }
}

async function checkVulkanLoader(): Promise<void> {
  if (onNode() && !(await hasVulkanLoader())) throw new BackendError('webgpu', 'no Vulkan loader (libvulkan.so.1)');
}
