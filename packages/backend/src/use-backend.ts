import { BackendError } from './backend-error';
import type { BackendInfo, BackendName, BackendOptions, StartedBackend } from './backend-info';
import { startCpu } from './cpu';
import { startWasm } from './wasm';

const starters: Readonly<Record<BackendName, (options: BackendOptions) => Promise<StartedBackend>>> = {
  webgpu: () => Promise.reject(new BackendError('useBackend: webgpu is not built yet')),
  cuda: () => Promise.reject(new BackendError('useBackend: cuda is not built yet')),
  wasm: startWasm,
  cpu: startCpu,
};

/** Chooses, initialises and explains a TensorFlow.js backend. */
export async function useBackend(
  name: 'auto' | BackendName = 'auto',
  options: BackendOptions = {},
): Promise<BackendInfo> {
  const started = await starters[name === 'auto' ? 'wasm' : name](options);
  return { ...started, explanation: `${started.name} (${started.device}): as asked` };
}
