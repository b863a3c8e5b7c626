import { useEffect, useState } from 'preact/hooks';
import type { Client } from '../client';
import { formatBytes } from '../format';
import type { BackendChoice, BackendState, MemoryState } from '../protocol';

const EVERY_MS = 2000;

/** Where the models run and why, what memory they take, and whether the page opens without a network. */
export function StatusBar({
  client,
  backend,
  choice,
  downloaded,
  onChoice,
}: {
  client: Client;
  backend: BackendState | undefined;
  choice: BackendChoice;
  /** Bytes of the page's models that have come. */
  downloaded: number;
  onChoice: (choice: BackendChoice) => void;
}) {
  const [memory, setMemory] = useState<MemoryState>();
  useEffect(() => {
    const timer = setInterval(async () => {
      if (!document.hidden) setMemory(await client.memory());
    }, EVERY_MS);
    return () => clearInterval(timer);
  }, [client]);
  const offline = useKeptOffline();
  return (
    <footer class="status">
      <label>
        Backend{' '}
        <select value={choice} onChange={(event) => onChoice(event.currentTarget.value as BackendChoice)}>
          <option value="auto">automatic</option>
          <option value="webgpu">WebGPU</option>
          <option value="wasm">WebAssembly</option>
        </select>
      </label>
      <span class="backend">{backend?.explanation ?? 'starting'}</span>
      {downloaded > 0 && <span>{formatBytes(downloaded)} of models loaded</span>}
      {memory !== undefined && memory.tensors > 0 && (
        <span class="memory">
          {formatBytes(memory.bytes)} in {memory.tensors} tensors, {formatBytes(memory.reserved)} reserved
        </span>
      )}
      <span class="offline">{offline ? 'kept for offline use' : ''}</span>
    </footer>
  );
}

function useKeptOffline(): boolean {
  const [kept, setKept] = useState(false);
  useEffect(() => {
    if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
    void navigator.serviceWorker.ready.then(() => setKept(true));
  }, []);
  return kept;
}
